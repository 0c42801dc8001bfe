"""Accuracy of ResNet-20 before and after a short fine-tuning with learnt steps: rows of the table in `README.md`.

In: the folder of the reference data. All layers have the same bits and activations of 8; the network is compressed to
nearest codes, or repaired by recipe `LIGHT` as presets do it, and then fine-tuned at the default rate by labels and by
the outputs of the network as it was given, on 8,000 training images. Accuracy is that on 2,000 test images.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from compress_resnet20 import NORMALIZATION, accuracy, load, uniform
from report import row

from nas.compression.compress import calibrate
from nas.compression.repair.repair_network import Repairer
from nas.data.sources import load_images
from nas.training.finetuning.finetune_network import NetworkFineTuning, finetune_network
from search_spaces.elastic.graph_network import GraphNetwork

BITS, SEEDS, TESTED = (8, 3, 2), 2, 2000
COMMAND = "taskset -c 0 python benchmarks/finetuning.py DATA"


def measure(data: Path, bits: int, repaired: bool, seed: int, epochs: float) -> tuple[float, float]:
    """Accuracy in percent before and after fine-tuning; the seed takes other images to calibrate, too."""
    subject, (inputs, labels) = load(data, seed)
    policy, test = uniform(subject.traced, bits), (inputs[:TESTED], labels[:TESTED])

    def compress() -> GraphNetwork:
        if repaired:
            return Repairer(subject).repair(policy)
        network = subject.compress(policy)
        calibrate(network, subject.need_data())
        return network

    network = compress()
    before = accuracy(compress(), *test)  # a copy, as judging it keeps its rounded weights
    samples = replace(load_images(str(data / "cifar10"), limit=10_000), stated=NORMALIZATION)
    with TemporaryDirectory() as folder:
        tuning = NetworkFineTuning(epochs=epochs, seed=seed)
        finetune_network(network, subject.traced.network(), samples, tuning, Path(folder))
    after = accuracy(network, *test)
    print(bits, repaired, seed, f"{before:.2f} % {after:.2f} %", file=sys.stderr, flush=True)
    return before, after


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--epochs", type=float, default=0.5, help="passes over 8,000 training images")
    arguments = parser.parse_args()
    for bits in BITS:
        for name, repaired in {"nearest codes": False, "repaired": True}.items():
            found = [measure(arguments.data, bits, repaired, seed, arguments.epochs) for seed in range(SEEDS)]
            for moment, samples in zip(("before", "after"), zip(*found, strict=True), strict=True):
                target = f"ResNet-20, w{bits}a8, {name}, {moment} half an epoch of fine-tuning"
                print(
                    row(target, samples, "{:.2f} %", f"{SEEDS} seeds, {TESTED:,} test images", COMMAND, 1), flush=True
                )


if __name__ == "__main__":
    main()
