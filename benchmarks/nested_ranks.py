"""Accuracy of ResNet-20 at smaller ranks after one fine-tuning, with nested ranks and without: rows for `README.md`.

In: the folder of the reference data. All layers that can are of low rank (`w8a8-rank0.9`), by singular values, and the
network is fine-tuned once. Then every layer is cut to a share of its components, without any further step, and judged
on test images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from beside_bits import apply_where_possible, list_layers
from compress_resnet20 import accuracy, load
from report import row

from nas.compression.compress import calibrate
from nas.compression.low_rank.truncation import measure_importance, truncate_network
from nas.compression.subject import CompressionSubject
from nas.data.normalization import Normalization
from nas.data.sources import load_images
from nas.data.splits import DataSplits
from nas.training.finetuning.finetune_network import NetworkFineTuning, finetune_network
from nas.training.finetuning.nested_ranks import NestedRanks
from search_spaces.compression_policy import LayerPolicy

POLICY = LayerPolicy.parse("w8a8-rank0.9")
SHARES = (1.0, 0.75, 0.5)  # of the ranks
SEEDS = 2
COMMAND = "taskset -c 0 python benchmarks/nested_ranks.py DATA"


def tune(
    subject: CompressionSubject, data: DataSplits, tuning: NetworkFineTuning, test: tuple[torch.Tensor, torch.Tensor]
) -> Mapping[float, float]:
    """Accuracy in percent by share of the ranks."""
    network = subject.compress(apply_where_possible(list_layers(subject), POLICY))
    calibrate(network, subject.need_data())
    with TemporaryDirectory() as folder:
        finetune_network(network, subject.traced.network(), data, tuning, Path(folder))
    whole = {layer: len(importance) for layer, importance in measure_importance(network).items()}
    found = {}
    for share in SHARES:
        cut = truncate_network(network, {layer: max(1, int(share * rank)) for layer, rank in whole.items()})
        found[share] = accuracy(cut, *test)
        print(f"{tuning.nested}, seed {tuning.seed}, {share}: {found[share]:.2f} %", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--epochs", type=float, default=0.5, help="passes over 8,000 training images")
    parser.add_argument("--tested", type=int, default=1000, help="test images")
    arguments = parser.parse_args()
    subject, (inputs, labels) = load(arguments.data, 0)
    test = inputs[: arguments.tested], labels[: arguments.tested]
    splits = load_images(str(arguments.data / "cifar10"), limit=10_000)
    data = replace(splits, stated=Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    tuning = NetworkFineTuning(epochs=arguments.epochs)
    rows = {}
    for name, nested in {"nested": NestedRanks(), "not nested": None}.items():
        tunings = [replace(tuning, nested=nested, seed=seed) for seed in range(SEEDS)]
        rows[name] = [tune(subject, data, one, test) for one in tunings]
    for share in SHARES:
        for name, found in rows.items():
            target = f"ResNet-20, {POLICY}, fine-tuned with ranks {name}, {share:.0%} of the ranks"
            print(row(target, [one[share] for one in found], "{:.2f} %", f"{SEEDS} seeds", COMMAND, 1))


if __name__ == "__main__":
    main()
