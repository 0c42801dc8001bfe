"""Sensitivity metrics on a published ResNet-20: do their sums tell what whole policies do, and what do they cost?

In: the folder of the reference data. Out: a Markdown table for `README.md`. All metrics are held against the same
random policies of weights at 2 to 8 bits and activations at 8, whose divergence of outputs is measured on the same
training images; each seed takes other images and other policies. Seconds are those of one core (processor time) for the
damage of all layers and bits. `--metrics` names some, as those of second order take minutes; `--repaired` measures the
policies as jobs make them, after repair by recipe `LIGHT`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from compress_resnet20 import BITS, NORMALIZATION, traced_resnet20

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.additivity import POLICIES, MetricQuality, draw_policies, judge_sums
from nas.compression.sensitivity.degradation import Divergence
from nas.compression.sensitivity.joint_degradation import measure_degradations
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.sensitivity.repaired_divergence import RepairedDivergence
from nas.compression.subject import CompressionSubject
from nas.data.sources import load_images
from nas.tasks.registry import CLASSIFICATION, TASKS
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

IMAGES = 128
WITHOUT_ATTENTION = [name for name in SENSITIVITY_METRICS if name != "arank"]


def measure(data: Path, names: list[str], repaired: bool, seed: int) -> list[MetricQuality]:
    """The quality of metrics on images and policies of a seed; policies are rounded to nearest codes or repaired."""
    train = load_images(str(data / "cifar10"), limit=10_000).train.take(slice(seed * IMAGES, (seed + 1) * IMAGES))
    labels = torch.as_tensor(train.labels).long()
    subject = CompressionSubject.uniform_choices(
        traced_resnet20(data),
        [LayerPolicy.quantized(bits, 8) for bits in BITS],
        CalibrationData(NORMALIZATION.inputs(train.images, 32), labels),
        task=TASKS[CLASSIFICATION],
    )
    chosen = draw_policies([len(BITS)] * len(subject.choices), POLICIES, seed)
    if repaired:
        degrade = RepairedDivergence(inputs=IMAGES).measure_policies(subject)
        policies = [tuple(map(tuple.__getitem__, subject.choices, choices)) for choices in chosen.tolist()]
        measured = np.array([degrade(CompressionPolicy(policy)) for policy in policies])
    else:
        measured = measure_degradations(subject, map(tuple, chosen.tolist()), Divergence())
    found = []
    for name in names:
        begin = time.process_time()
        damage = SENSITIVITY_METRICS[name]().damage(subject)
        found.append(judge_sums(name, damage, chosen, measured, time.process_time() - begin))
        print(seed, found[-1], file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measures every seed and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--metrics", nargs="+", default=WITHOUT_ATTENTION, choices=WITHOUT_ATTENTION)
    parser.add_argument("--repaired", action="store_true", help="measure the policies after repair")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = [measure(arguments.data, arguments.metrics, arguments.repaired, seed) for seed in range(arguments.seeds)]
    print("| metric | R2 | rank correlation | Kendall's tau | seconds |\n| --- | --- | --- | --- | --- |")
    for name, *columns in zip(arguments.metrics, *found, strict=True):
        values = [[getattr(one, part) for one in columns] for part in ("r2", "spearman", "kendall", "seconds")]
        spans = [f"{statistics.median(known):.2f} ({min(known):.2f} to {max(known):.2f})" for known in values[:3]]
        print(f"| `{name}` | {' | '.join(spans)} | {statistics.median(values[3]):.1f} |", flush=True)


if __name__ == "__main__":
    main()
