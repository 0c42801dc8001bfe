"""ResNet-20 without some of its blocks: rows of the table in `README.md`.

In: the folder of the reference data. Seven of the nine blocks of the fine-tuned network keep the shape; some of them
are left out, by allocations of least damage, or evenly spread. Each allocation is within the operations that as many
blocks leave. Accuracy is that on all 10,000 test images, of what is left as it is, and fitted to the whole network on
1,024 training images without labels.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from compress_resnet20 import accuracy
from pruning import JUDGED, QUICK, load
from report import row

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.milp import MilpAllocator
from nas.compression.pruning.baselines import keep_evenly
from nas.compression.pruning.block_allocation import BlockDamage, budget_blocks, select_blocks
from nas.compression.pruning.narrow_network import remove_blocks
from nas.compression.pruning.pruner import Pruner
from nas.compression.sensitivity.degradation import Divergence
from nas.compression.sensitivity.macro_influence import CosineDistance
from nas.compression.subject import CompressionSubject
from nas.tasks.registry import TASKS
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.removable_blocks import RemovableBlocks

REMOVED = (1, 2, 3, 4, 5, 6)  # of seven blocks
DAMAGES = {
    "LAPTOP-Diff, squared error": BlockDamage(),
    "Macro Influence, cosine": BlockDamage(CosineDistance()),
    "fitted divergence": BlockDamage(Divergence(), QUICK),
}
COMMAND = "python benchmarks/block_removal.py DATA"


def choose_blocks(
    subject: CompressionSubject,
    blocks: RemovableBlocks,
    counts: tuple[int, ...],
    damages: Mapping[str, BlockDamage] = DAMAGES,
) -> Mapping[tuple[str, int], tuple[str, ...]]:
    """Which blocks are left out, by how they were chosen and their number."""
    number, found = len(blocks.names), {}
    few = replace(subject, data=subject.need_data().take(JUDGED), task=TASKS["classification"])
    budgets = {}
    for count in counts:
        kept = keep_evenly(number, number - count)
        evenly = [int(index not in kept) for index in range(number)]
        found["evenly spread", count] = select_blocks(blocks, evenly)
        budgets[count] = budget_blocks(blocks, "macs", blocks.remove(select_blocks(blocks, evenly)).macs)
    for name, metric in damages.items():
        begin = time.process_time()
        damage = metric.measure(few, blocks)
        print(f"{name}: {time.process_time() - begin:.0f} s", file=sys.stderr, flush=True)
        for count, budget in budgets.items():
            problem = AllocationProblem(damage, (budget,))
            found[name, count] = select_blocks(blocks, MilpAllocator().allocate(problem))
    return found


def measure_sample(data: Path, sample: int, counts: tuple[int, ...]) -> dict[str, float]:
    """Accuracies in percent."""
    subject, _, test = load(data, sample)
    traced, channels = subject.traced, CoupledChannels.from_graph(subject.traced.graph)
    blocks, pruner = RemovableBlocks.from_graph(traced.graph), Pruner(subject, channels)
    percent: dict[str, float] = {}
    known: dict[tuple[str, ...], tuple[float, float]] = {}
    for (name, count), removed in choose_blocks(subject, blocks, counts).items():
        if removed not in known:
            networks = (
                remove_blocks(traced, blocks, removed),
                pruner.prune(channels.keep_all(), removed=removed),
            )
            as_it_is, fitted = (accuracy(one.network(), *test) for one in networks)
            known[removed] = (as_it_is, fitted)
        title = f"ResNet-20, {count} of {len(blocks.names)} blocks removed, {name}"
        percent[title], percent[f"{title}, fitted"] = known[removed]
        print(f"sample {sample}, {title}: {removed}, {known[removed]}", file=sys.stderr, flush=True)
    return percent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--samples", type=int, nargs="+", default=[0, 1, 2], help="samples of calibration images")
    arguments = parser.parse_args()
    found = [measure_sample(arguments.data, sample, REMOVED) for sample in arguments.samples]
    for name in found[0]:
        samples = [percent[name] for percent in found]
        print(row(name, samples, "{:.2f} %", f"{len(samples)} samples of calibration images", COMMAND, 1))


if __name__ == "__main__":
    main()
