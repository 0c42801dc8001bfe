"""ResNet-20 without blocks after a short fine-tuning with and without features: rows of the table in `README.md`.

In: the folder of the reference data. Blocks of the fine-tuned network are left out by LAPTOP-Diff's allocation. What is
left, as it is or fitted to the whole network, is fine-tuned by the labels of 8,000 training images and by the outputs
of the whole network; and by its features besides. Accuracy is that on all 10,000 test images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from block_removal import DAMAGES, choose_blocks
from compress_resnet20 import NORMALIZATION, accuracy
from pruning import TRAINED, load
from report import row

from nas.compression.pruning.narrow_network import remove_blocks
from nas.compression.pruning.pruner import Pruner
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork
from nas.data.sources import load_images
from nas.data.splits import DataSplits
from nas.training.finetuning.finetune_network import NetworkFineTuning, finetune_network
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.removable_blocks import RemovableBlocks

CHOSEN = "LAPTOP-Diff, squared error"
COMMAND = "python benchmarks/feature_distillation.py DATA"


def make_starts(subject: CompressionSubject, removed_counts: Sequence[int]) -> dict[str, TracedNetwork]:
    """The networks that are fine-tuned."""
    traced, blocks = subject.traced, RemovableBlocks.from_graph(subject.traced.graph)
    channels = CoupledChannels.from_graph(traced.graph)
    pruner, starts = Pruner(subject, channels), {}
    chosen = choose_blocks(subject, blocks, tuple(removed_counts), {CHOSEN: DAMAGES[CHOSEN]})
    for count in removed_counts:
        removed = chosen[CHOSEN, count]
        title = f"ResNet-20, {count} of {len(blocks.names)} blocks removed, {CHOSEN}"
        starts[title] = remove_blocks(traced, blocks, removed)
        starts[f"{title}, fitted"] = pruner.prune(channels.keep_all(), removed=removed)
    return starts


def finetune(
    start: TracedNetwork, subject: CompressionSubject, samples: DataSplits, tuning: NetworkFineTuning
) -> GraphNetwork:
    """A network after its fine-tuning."""
    network = compress(start, CompressionPolicy((LayerPolicy(),) * len(start.graph.layers)))
    with TemporaryDirectory() as folder:
        finetune_network(network, subject.traced.network(), samples, tuning, Path(folder))
    return network


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--epochs", type=float, default=0.5, help="passes over 8,000 training images")
    parser.add_argument("--rate", type=float, default=0.001, help="learning rate at the start")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the order of the training images")
    parser.add_argument("--removed", type=int, nargs="+", default=[2, 4], help="numbers of blocks, of seven")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 10.0], help="of the features in the loss")
    arguments = parser.parse_args()
    subject, _, test = load(arguments.data, 0)
    samples = replace(load_images(str(arguments.data / "cifar10"), limit=TRAINED), stated=NORMALIZATION)
    for title, start in make_starts(subject, arguments.removed).items():
        for weight in arguments.weights:
            found = []
            for seed in arguments.seeds:
                tuning = NetworkFineTuning(arguments.epochs, arguments.rate, seed=seed, feature_distillation=weight)
                found.append(accuracy(finetune(start, subject, samples, tuning), *test))
                print(title, weight, seed, f"{found[-1]:.2f} %", file=sys.stderr, flush=True)
            target = f"{title}, after {arguments.epochs:g} epochs of fine-tuning, features at {weight:g}"
            print(
                row(target, found, "{:.2f} %", f"{len(found)} seed{'s' if len(found) > 1 else ''}", COMMAND, 1),
                flush=True,
            )


if __name__ == "__main__":
    main()
