"""What rounding biases before a network is measured changes in its file: rows of the table in `README.md`.

In: the folder of the reference data. ResNet-20 with its published weights, and small subnets of the families with
random ones, are compressed by several policies and exported, with biases as they are and on the grids of their layers.
Outputs of the optimised session of onnxruntime, with its kernels in integers, are compared with those of torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from compress_resnet20 import NORMALIZATION, traced_resnet20
from report import row
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.observers.percentile import Percentile
from nas.compression.tracing.compress import compress
from nas.data.sources import load_images
from nas.export.agreement import compute_reference
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session, to_onnx
from nas.training.recalibration import recalibrate_batch_norm
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

FAMILIES = ("resnet_digits", "mobilenet_v3_digits")
POLICIES = {"w8a8": ["w8a8"], "w4a8": ["w4a8"], "w2 to w8": [f"w{bits}a8" for bits in range(2, 9)], "w4a4": ["w4a4"]}
IMAGES = 500
COMMAND = "python benchmarks/integer_biases.py DATA"
Making = Callable[[CompressionPolicy], nn.Module]


def list_networks(data: Path) -> Iterator[tuple[str, int, Making, Tensor]]:
    """Name, number of layers, what compresses it, and images."""
    splits, traced = load_images(str(data / "cifar10"), limit=2_000), traced_resnet20(data)
    calibrating, judging = (
        NORMALIZATION.inputs(part.take(slice(0, IMAGES)).images, 32) for part in (splits.train, splits.test)
    )
    yield "ResNet-20", len(traced.graph.layers), calibrated(partial(compress, traced), calibrating), judging
    digits = load_images("digits")
    for name in FAMILIES:
        supernet = build_supernet(create_space(name, 1, 10), seed=0)
        architecture = JointSpace(supernet.space).smallest().architecture
        layers, plain = supernet.space.layers(architecture), supernet.extract(architecture)
        inputs = digits.normalization.inputs(digits.train.images[:IMAGES], architecture.resolution)
        recalibrate_batch_norm(plain, [inputs])
        yield name, len(layers), calibrated(partial(apply_policy, plain, layers), inputs), inputs


def calibrated(make: Making, inputs: Tensor) -> Making:
    """The same with calibrated activations."""

    def made(policy: CompressionPolicy) -> nn.Module:
        network = make(policy)
        calibrate(network, [inputs], Percentile(99.99))
        return network

    return made


def compare(network: nn.Module, images: Tensor) -> tuple[float, float, float]:
    """Percentage of outputs within a step of torch, mean steps, and percentage of equal first answers."""
    _, *shape = images.shape
    if isinstance(network, GraphNetwork):
        model = traced_to_onnx(network, [images[:2]])
    else:
        model = to_onnx(network, (shape[0], shape[1], shape[2]))
    reference = compute_reference(network, images)
    given = run_session(open_session(model), images.numpy())
    steps, same = np.abs(given - reference.outputs) / reference.unit, given.argmax(1) == reference.outputs.argmax(1)
    return 100 * float((steps <= 1.01).mean()), float(steps.mean()), 100 * float(same.mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    torch.set_num_threads(1)
    for name, count, make, images in list_networks(parser.parse_args().data):
        for label, texts in POLICIES.items():
            policy = CompressionPolicy(tuple(map(LayerPolicy.parse, islice(cycle(texts), count))))
            for how in ("in floating point", "on their grids"):
                network = make(policy)
                if how == "on their grids":
                    round_biases(network)
                within, steps, same = compare(network, images)
                what, seeds = f"`{name}` {label}, biases {how}, optimised session", f"{len(images)} images"
                aim = ": at least 99.9" if how == "on their grids" else ""
                print(row(f"{what}: outputs within a step of torch{aim}", [within], "{:.2f} %", seeds, COMMAND, 1))
                print(row(f"{what}: steps that outputs are off", [steps], "{:.3f}", seeds, COMMAND, 1))
                print(row(f"{what}: first answers of torch", [same], "{:.1f} %", seeds, COMMAND, 1), flush=True)


if __name__ == "__main__":
    main()
