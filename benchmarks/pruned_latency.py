"""Latency of pruned ResNet-20 against what its operations promise: rows of the table in `README.md`.

In: the folder of the reference data, and networks that `pruning.py` has stored. Widths in multiples of 8 are allocated
within two budgets, of operations and of latency in onnxruntime by a table of this machine, calibrated on networks of
random widths; latency must fall by a share of what operations promise. Then all stored networks are timed in turns, and
such without some blocks, and printed is by how much their latency falls over by how much their operations do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from block_removal import REMOVED
from compress_resnet20 import accuracy, traced_resnet20
from latency_error import nothing
from pruning import BLOCK, JUDGED, QUICK, SHARES, WIDTHS, allocate, load
from report import row

from hardware.building.build_table import measure_missing
from hardware.building.calibrate_table import calibrate_table
from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.stopwatch import Stopwatch
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import tabulate_prices
from hardware.tables.table_file import load_table, save_table
from nas.compression.allocation.allocation_problem import Budget
from nas.compression.allocation.cost_tables import split_cost
from nas.compression.pruning.baselines import keep_evenly
from nas.compression.pruning.block_allocation import select_blocks
from nas.compression.pruning.narrow_network import remove_blocks
from nas.compression.pruning.pruner import Pruner
from nas.compression.pruning.surgeon import Surgeon
from nas.compression.pruning.width_damage import WidthDamage
from nas.compression.pruning.widths import Widths
from nas.compression.tracing.trace import TracedNetwork
from nas.compression.tracing.traced_file import load_traced, save_traced
from nas.evaluation.given_workloads import GivenWorkloads
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session
from nas.jobs.stages.sampling import representative_sample
from search_spaces.additive_cost import FloatArray, Term
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.removable_blocks import RemovableBlocks

LEAST_FALL = 0.9  # of what operations promise, by the table: more than the 0.8 that are asked for, as tables err
NETWORKS = 60  # of random widths, on which the table is calibrated
COMMAND = "python benchmarks/pruned_latency.py DATA"


def make_table(space: JointSpace, traced: TracedNetwork, path: Path) -> LatencyTable:
    """The latency table of all layers at all widths, measured unless it is stored."""
    if not path.exists():
        profiler, policies = OnnxRuntimeProfiler(ONNXRUNTIME_CPU), space.policies.all_policies
        empty, layers = LatencyTable(ONNXRUNTIME_CPU), space.list_distinct_layers()
        measured = measure_missing(empty, layers, policies, profiler, nothing, None)
        rng = np.random.default_rng(0)
        sample = representative_sample(space, rng, NETWORKS)
        build = GivenWorkloads(traced, space.architectures)
        save_table(calibrate_table(measured, sample, rng, profiler, nothing, build), path)
    return load_table(path)


def budget_latency(traced: TracedNetwork, widths: Widths, path: Path) -> Budget:
    """The latency in milliseconds over the choices of widths, which fall; its bound is that of the whole network."""
    rising = tuple(known[::-1] for known in widths.choices)
    space = JointSpace(traced.space("resnet20", rising), PolicySpace.parse(["w32a32"]))
    cost, groups = tabulate_prices(space, make_table(space, traced, path)), len(rising)
    alone, joint = split_cost(cost, space.cardinalities.tolist())
    costs = [known[::-1].copy() for known in alone[:groups]]
    costs[0] += sum(float(known[0]) for known in alone[groups:])  # each layer has one policy, which decides nothing
    terms = []
    for term in joint:
        columns = tuple(column for column in term.columns if column < groups)
        table = np.flip(term.table).reshape([len(rising[column]) for column in columns])
        if len(columns) > 1:
            terms.append(Term(columns, table))
        else:
            costs[columns[0] if columns else 0] += table
    return Budget("latency_ms", tuple(costs), float(cost(space.encode([space.largest()]).genes)[0]), tuple(terms))


def prune(data: Path, folder: Path, shares: Sequence[float]) -> None:
    """Stores networks whose widths are allocated within both budgets, and prints their accuracy."""
    subject, _, test = load(data, 0)
    traced, few = subject.traced, subject.need_data().take(JUDGED)
    channels = CoupledChannels.from_graph(traced.graph)
    widths = Widths.evenly(channels, Surgeon(QUICK.rows).score(subject, channels), WIDTHS, BLOCK)
    damage = WidthDamage(QUICK).measure(replace(subject, data=few), widths)
    latency = budget_latency(traced, widths, folder / "latency.parquet")
    for share in shares:
        limit = replace(latency, most=latency.most * (1 - LEAST_FALL * (1 - share)))
        chosen = allocate(subject, widths, damage, share, limit)
        narrow = Pruner(subject, channels).prune(widths.keep_chosen(chosen))
        name = f"allocated widths, multiples of {BLOCK}, limited latency"
        save_traced(folder / f"{name}, {share} of MACs left, sample 0.safetensors", narrow)
        percent = accuracy(narrow.network(), *test)
        left = narrow.graph.macs / traced.graph.macs
        print(f"{name}: {left:.3f} left", file=sys.stderr, flush=True)
        print(
            row(
                f"ResNet-20, {1 - share:.0%} of MACs removed, {name}",
                [percent],
                "{:.2f} %",
                "1 sample of calibration images",
                COMMAND,
                1,
            )
        )


def run_once(session: onnxruntime.InferenceSession, images: FloatArray) -> None:
    run_session(session, images)


def measure_latency(data: Path, folder: Path, times: int) -> None:
    """Prints by how much latency falls over by how much operations do, of all stored networks."""
    whole, image = traced_resnet20(data), torch.randn(2, 3, 32, 32)
    stored = {path.stem.rpartition(",")[0]: load_traced(path) for path in sorted(folder.glob("*sample 0.safetensors"))}
    blocks = RemovableBlocks.from_graph(whole.graph)
    number = len(blocks.names)
    for count in REMOVED:
        kept = keep_evenly(number, number - count)
        removed = select_blocks(blocks, [int(index not in kept) for index in range(number)])
        stored[f"{count} of {number} blocks removed, evenly spread"] = remove_blocks(whole, blocks, removed)
    sessions = [open_session(traced_to_onnx(one.network(), [image])) for one in (whole, *stored.values())]
    calls = [partial(run_once, session, image[:1].numpy()) for session in sessions]
    timed = [[timing.latency_ms for timing in Stopwatch().time(calls)] for _ in range(times)]
    for index, (name, network) in enumerate(stored.items(), 1):
        promised = 1 - network.graph.macs / whole.graph.macs
        ratios = [(1 - latency_ms[index] / latency_ms[0]) / promised for latency_ms in timed]
        target = f"ResNet-20, {name}: fall of latency over that of MACs, onnxruntime, batch 1"
        print(row(f"{target}: at least 0.8", ratios, "{:.2f}", f"{times} timings", COMMAND, 1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--folder", type=Path, default=Path("runs/pruning"), help="where pruned networks are stored")
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES, help="of operations; none only times")
    parser.add_argument("--times", type=int, default=3, help="how often all are timed")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.shares:
        prune(arguments.data, arguments.folder, arguments.shares)
    measure_latency(arguments.data, arguments.folder, arguments.times)


if __name__ == "__main__":
    main()
