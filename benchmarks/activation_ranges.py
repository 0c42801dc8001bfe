"""Ranges of activations of ResNet-20 by each observer, with 8 and 6 bits: a Markdown table for `README.md`.

In: the folder of the reference data. All layers have the same policy, weights are repaired by the whole recipe `LIGHT`
or rounded to nearest codes, on 1,024 training images without labels. Printed are the divergence of outputs from those
of the network as given and the accuracy, on all 10,000 test images, of each of three samples of calibration images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from compress_resnet20 import SAMPLES, load, uniform

from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.observers.registry import OBSERVERS
from nas.compression.repair.repair_network import Repairer
from nas.compression.subject import CompressionSubject
from search_spaces.elastic.graph_network import GraphNetwork


@torch.no_grad()
def find_logits(network: GraphNetwork, images: torch.Tensor) -> torch.Tensor:
    network.keep_rounded_weights()
    return torch.cat([network(batch) for batch in images.split(50)])


def make_networks(subject: CompressionSubject, bits: int) -> tuple[GraphNetwork, GraphNetwork]:
    """The network with nearest codes, and repaired, all layers alike."""
    policy = uniform(subject.traced, bits)
    nearest = subject.compress(policy)
    calibrate(nearest, subject.need_data(), subject.methods.observer)
    repaired = Repairer(subject).fit(policy)
    for network in (nearest, repaired):
        round_biases(network)
    return nearest, repaired


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    arguments = parser.parse_args()
    print(
        "| observer | bits | weights | divergence, 0.001 nats | accuracy, % |",
        "| --- | --- | --- | --- | --- |",
        sep="\n",
    )
    for name in OBSERVERS:
        for bits in (8, 6):
            found: dict[str, list[tuple[float, float]]] = {"nearest": [], "repaired": []}
            for sample in range(SAMPLES):
                subject, (images, labels) = load(arguments.data, sample, name)
                expected = find_logits(subject.traced.network(), images).log_softmax(1)
                for how, network in zip(found, make_networks(subject, bits), strict=True):
                    logits = find_logits(network, images)
                    far = F.kl_div(logits.log_softmax(1), expected, log_target=True, reduction="batchmean")
                    found[how].append((1000 * far.item(), 100 * (logits.argmax(1) == labels).double().mean().item()))
            for how, measured in found.items():
                divergences, accuracies = (
                    ", ".join(f"{one:.2f}" for one in column) for column in zip(*measured, strict=True)
                )
                print(f"| `{name}` | {bits} | {how} | {divergences} | {accuracies} |", flush=True)


if __name__ == "__main__":
    main()
