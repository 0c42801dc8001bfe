"""Data-free calibration and repair of ResNet-20 against those by training images: rows of the table in `README.md`.

In: the folder of the reference data. Images are distilled from the fine-tuned network alone, in both readings of its
statistics. At w8a8 they calibrate the ranges of activations, at w4a8 the network is repaired by recipe `LIGHT` as well.
Accuracy is that on all 10,000 test images, and what is compared is the same with training images without labels. Each
seed has noise, and training images, of its own. Seconds are those of one core (processor time).
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from report import row

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.data_free.distillation import Distillation, distill_data
from nas.compression.repair.repair_network import repair_network
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.reference import load_weights
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.normalization import Normalization
from nas.data.sources import load_images
from nas.training.recalibration import measure_accuracy
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

SEEDS = (0, 1, 2)
REAL = 256  # training images that calibrate and repair
TARGETS = {"w8a8": 0.5, "w4a8": 1.5}  # points of accuracy
READINGS = {"batch": ("w8a8", "w4a8"), "image": ("w4a8",)}  # ranges alone hardly differ
BATCH = 50  # test images; larger ones leave the caches


def traced_resnet20(data: Path) -> TracedNetwork:
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "nas" / "compression" / "tracing"))
    from test_resnet20 import ResNet20

    module = ResNet20()
    load_weights(module, data / "resnet20_cifar10" / "resnet20_jpeg_finetuned.safetensors")
    return trace(module, [torch.randn(2, 3, 32, 32)])


def measure_seed(data: Path, images: int, iterations: int, seed: int) -> dict[str, float]:
    """Accuracies by data and policy, in percent, and seconds by reading."""
    torch.set_num_threads(1)
    traced, normalization = traced_resnet20(data), Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    splits = load_images(str(data / "cifar10"), limit=2_000)
    test, labels = normalization.inputs(splits.test.images, 32), splits.test.labels
    real = splits.train.take(slice(seed * REAL, (seed + 1) * REAL)).images
    found: dict[str, float] = {}

    def measure(name: str, calibration: CalibrationData, policies: tuple[str, ...]) -> None:
        for text in policies:
            entry = LayerPolicy.parse(text)
            policy = CompressionPolicy((entry,) * len(traced.graph.layers))
            if entry.weight_bits == 8:
                network = compress(traced, policy)
                calibrate(network, calibration)
            else:
                network = repair_network(CompressionSubject.uniform_choices(traced, [entry], calibration), policy)
            network.keep_rounded_weights()
            found[f"{name} {text}"] = measure_accuracy(
                network, zip(test.split(BATCH), labels.split(BATCH), strict=True)
            )
            print(seed, name, text, f"{found[f'{name} {text}']:.2f} %", file=sys.stderr, flush=True)

    for reading, policies in READINGS.items():
        begin = time.process_time()
        distilled = distill_data(traced, Distillation(images, 32, iterations, reading=reading, seed=seed))  # type: ignore[arg-type]
        found[f"{reading} seconds"] = time.process_time() - begin
        print(seed, reading, f"{found[f'{reading} seconds']:.0f} s", file=sys.stderr, flush=True)
        measure(reading, distilled, policies)
    measure("real", CalibrationData(normalization.inputs(real, 32)), tuple(TARGETS))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--images", type=int, default=64, help="distilled images")
    parser.add_argument("--iterations", type=int, default=60, help="steps of their distillation")
    parser.add_argument("--workers", type=int, default=1, help="seeds that are measured at once")
    arguments = parser.parse_args()
    images, iterations = arguments.images, arguments.iterations
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        found = [*pool.map(partial(measure_seed, arguments.data, images, iterations), SEEDS)]
    command = f"python benchmarks/data_free.py DATA --images {images} --iterations {iterations}"
    print_row = partial(row, seeds="0 to 2", command=command, threads=1)
    for reading, policies in READINGS.items():
        what = f"{images} images distilled in {iterations} steps, statistics of each {reading}"
        for text in policies:
            lost = [one[f"real {text}"] - one[f"{reading} {text}"] for one in found]
            bound = f"at most {TARGETS[text]} points"
            print(print_row(f"ResNet-20 {text}, {REAL} training images over {what}: {bound}", lost, "{:.2f} points"))
            print(
                print_row("The accuracy by distilled images", [one[f"{reading} {text}"] for one in found], "{:.2f} %")
            )
        print(print_row(f"Time of {what}", [one[f"{reading} seconds"] for one in found], "{:.0f} s"))
    for text in TARGETS:
        print(
            print_row(f"ResNet-20 {text} by {REAL} training images", [one[f"real {text}"] for one in found], "{:.2f} %")
        )


if __name__ == "__main__":
    main()
