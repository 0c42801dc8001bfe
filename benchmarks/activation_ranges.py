"""Ranges of activations of ResNet-20 by each observer, with 8 and 6 bits: a Markdown table for `README.md`.

In: the folder of the reference data. All layers have the same policy, weights are repaired by the whole recipe `LIGHT`
or rounded to nearest codes, on 1,024 training images without labels. Printed are the divergence of outputs from those
of the network as given and the accuracy, on all 10,000 test images, of each of three samples of calibration images.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from itertools import product
from pathlib import Path

from compress_resnet20 import SAMPLES, fit, load, round_nearest, uniform

from nas.compression.calibration_data import CalibrationData
from nas.compression.methods import CompressionMethods
from nas.compression.observers.registry import OBSERVERS
from nas.compression.repair.repair import output_distance, outputs_on

BITS = (8, 6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--observers", nargs="+", default=[*OBSERVERS], choices=[*OBSERVERS])
    arguments = parser.parse_args()
    found = defaultdict(list)
    for sample in range(SAMPLES):
        given, (images, labels) = load(arguments.data, sample)
        test = CalibrationData(images, batch=50)
        expected = outputs_on(given.traced.network(), test)
        for name, bits in product(arguments.observers, BITS):
            subject, policy = replace(given, methods=CompressionMethods(OBSERVERS[name]())), uniform(given.traced, bits)
            for how, network in (("nearest", round_nearest(subject, policy)), ("repaired", fit(subject, policy))):
                network.keep_rounded_weights()
                logits = outputs_on(network, test)
                right = (logits.argmax(1) == labels).double().mean()
                far = output_distance(expected, logits, None)
                found[name, bits, how].append((1000 * far.item(), 100 * right.item()))
    columns = ("observer", "bits", "weights", "divergence, 0.001 nats", "accuracy, %")
    print(f"| {' | '.join(columns)} |", "| --- | --- | --- | --- | --- |", sep="\n")
    for (name, bits, how), measured in found.items():
        values = (", ".join(f"{one:.2f}" for one in column) for column in zip(*measured, strict=True))
        print(f"| `{name}` | {bits} | {how} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
