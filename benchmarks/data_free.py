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
from typing import Literal

import torch
from compress_resnet20 import NORMALIZATION, accuracy, traced_resnet20
from report import row

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.data_free.distillation import Distillation, distill_data
from nas.compression.repair.repair_network import repair_network
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.data.sources import load_images
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

SEEDS = (0, 1, 2)
REAL = 256  # training images that calibrate and repair
TARGETS = {"w8a8": 0.5, "w4a8": 1.5}  # points of accuracy
READINGS: dict[Literal["batch", "image"], tuple[str, ...]] = {
    "batch": ("w8a8", "w4a8"),
    "image": ("w4a8",),  # at w8a8 readings hardly differ
}


def measure_seed(data: Path, images: int, iterations: int, seed: int) -> dict[str, float]:
    """Accuracies by data and policy, in percent, and seconds by reading."""
    torch.set_num_threads(1)
    traced = traced_resnet20(data)
    splits = load_images(str(data / "cifar10"), limit=2_000)
    test, labels = NORMALIZATION.inputs(splits.test.images, 32), splits.test.labels
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
            found[f"{name} {text}"] = accuracy(network, test, labels)
            print(seed, name, text, f"{found[f'{name} {text}']:.2f} %", file=sys.stderr, flush=True)

    for reading, policies in READINGS.items():
        begin = time.process_time()
        distilled = distill_data(traced, Distillation(images, 32, iterations, reading=reading, seed=seed))
        found[f"{reading} seconds"] = time.process_time() - begin
        print(seed, reading, f"{found[f'{reading} seconds']:.0f} s", file=sys.stderr, flush=True)
        measure(reading, distilled, policies)
    measure("real", CalibrationData(NORMALIZATION.inputs(real, 32)), tuple(TARGETS))
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

    def print_row(target: str, name: str, form: str = "{:.2f} %", less: str = "") -> None:
        samples = [one[name] - (one[less] if less else 0.0) for one in found]
        print(row(target, samples, form, "0 to 2", command, 1))

    for reading, policies in READINGS.items():
        what = f"{images} images distilled in {iterations} steps, statistics of each {reading}"
        for text in policies:
            target = f"ResNet-20 {text}, {REAL} training images over {what}: at most {TARGETS[text]} points"
            print_row(target, f"real {text}", "{:.2f} points", less=f"{reading} {text}")
            print_row(f"ResNet-20 {text}, accuracy by those distilled images", f"{reading} {text}")
        print_row("Time to distil those images", f"{reading} seconds", "{:.0f} s")
    for text in TARGETS:
        print_row(f"ResNet-20 {text}, accuracy by {REAL} training images", f"real {text}")


if __name__ == "__main__":
    main()
