"""What quality without labels tells of accuracy, on ResNet-20: rows of the table in `README.md`.

In: the folder of the reference data. Random policies of 2 to 8 bits are calibrated on images that are distilled from
the network. Their agreement with the network itself, on distilled images that were held out as in a job without data,
and on real images without labels, is held against their accuracy on the first 2,000 test images. Each seed draws
policies of its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from compress_resnet20 import NORMALIZATION, accuracy, traced_resnet20
from report import row
from scipy.stats import spearmanr
from torch import Tensor

from nas.compression.compress import calibrate
from nas.compression.data_free.distillation import distill_data
from nas.compression.tracing.compress import compress
from nas.data.sources import load_images
from nas.evaluation.realize import one_thread
from nas.jobs.stages.distill import DISTILLATION, HELD_OUT
from nas.tasks.metrics.agreement import ExplainedVariance, Top1Agreement
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

POLICIES, TESTED = 16, 2_000
JUDGING = 256  # images on which agreement is measured, as in a job without data
BITS = (2, 3, 4, 6, 8)
METRICS = (Top1Agreement(), ExplainedVariance())
COMMAND = "python benchmarks/quality_without_labels.py DATA"


def draw_policy(layers: int, rng: np.random.Generator) -> CompressionPolicy:
    """A policy whose shares of bits are drawn first, so that policies differ in how much they damage."""
    shares = rng.dirichlet(np.full(len(BITS), 0.5))
    return CompressionPolicy(tuple(LayerPolicy.quantized(int(b), 8) for b in rng.choice(BITS, size=layers, p=shares)))


@torch.no_grad()
def run(network: GraphNetwork, inputs: Tensor) -> Tensor:
    """Outputs, shape (n, classes)."""
    return torch.cat([network(batch) for batch in inputs.split(64)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    data, seeds = arguments.data, arguments.seeds
    traced = traced_resnet20(data)
    splits = load_images(str(data / "cifar10"), limit=TESTED)
    test, labels = NORMALIZATION.inputs(splits.test.images[:TESTED], 32), splits.test.labels[:TESTED]
    with one_thread():
        calibration = distill_data(traced, DISTILLATION)
        images = {
            "distilled": distill_data(traced, HELD_OUT).inputs[:JUDGING],
            "real": NORMALIZATION.inputs(splits.validation.images[:JUDGING], 32),
        }
        original = traced.network()
        references = {kind: run(original, inputs) for kind, inputs in images.items()}
        whole = accuracy(original, test, labels)
        correlations: dict[tuple[str, str], list[float]] = {}
        gaps: dict[str, list[float]] = {kind: [] for kind in images}
        for seed in range(seeds):
            rng, lost, found = np.random.default_rng(seed), [], []
            for _ in range(POLICIES):
                network = compress(traced, draw_policy(len(traced.graph.layers), rng))
                calibrate(network, calibration)
                lost.append(whole - accuracy(network, test, labels))
                outputs = {kind: run(network, inputs) for kind, inputs in images.items()}
                found.append([[one.value(outputs[kind], references[kind]) for one in METRICS] for kind in images])
                print(seed, f"{lost[-1]:.2f} points lost", found[-1], file=sys.stderr, flush=True)
            values = np.array(found)
            for at, kind in enumerate(images):
                for column, metric in enumerate(METRICS):
                    tau = float(spearmanr(values[:, at, column], -np.array(lost)).statistic)
                    correlations.setdefault((kind, metric.metric.name), []).append(tau)
                gaps[kind].append(float(np.mean(100 - values[:, at, 0] - np.array(lost))))
    drawn, command = f"{', '.join(map(str, range(seeds)))}; {POLICIES} policies each", f"{COMMAND} --seeds {seeds}"
    for (kind, name), samples in correlations.items():
        title = f"ResNet-20, rank correlation of `{name}` on {JUDGING} {kind} images with accuracy on {TESTED:,}"
        print(row(title, samples, "{:.3f}", drawn, command, 1))
    for kind, samples in gaps.items():
        title = f"ResNet-20, share that disagrees on {JUDGING} {kind} images, less the accuracy that is lost, mean"
        print(row(title, samples, "{:.1f} points", drawn, command, 1))


if __name__ == "__main__":
    main()
