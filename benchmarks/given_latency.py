"""Predicted against measured latency of given networks: random policies of a network, exported and run.

In: the folder of the reference data, which has ResNet-20, and names of timm models. Out: rows of the table in
`README.md`. A table is made as `nas profile` makes it, calibrated on the network itself. Then 30 other random policies
are compressed, exported by the exporter of the search engine and timed twice; how far the second timing is from the
first is the floor. Exported files are kept in a folder, so that a second start does not export again.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from latency_error import PRECISE, made_table
from report import row
from zoo import timm_model

from hardware.calibration.fit_quality import FitQuality
from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.workload import OnnxNetwork
from hardware.tables.pricing import tabulate_prices
from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.evaluation.given_workloads import GivenWorkloads
from nas.export.onnx_graph_network import traced_to_onnx
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population

POLICIES = ("w32a32", "w8a8", "w4a8")
CANDIDATES, SEED = 30, 1  # those of the calibration are drawn with seed 0


def traced_network(name: str) -> TracedNetwork:
    """`resnet20` as the tests write it, or a model of timm, each with random weights."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    if name != "resnet20":
        model, examples = timm_model(name)
        return trace(model, examples)
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "nas" / "compression" / "tracing"))
    from test_resnet20 import ResNet20

    return trace(ResNet20(), [torch.randn(2, 3, 32, 32)])


def joint_space(name: str, traced: TracedNetwork) -> JointSpace:
    return JointSpace(traced.space(name), PolicySpace.parse(POLICIES))


def candidates(space: JointSpace) -> Population:
    return space.sample(np.random.default_rng(SEED), CANDIDATES)


def export_all(name: str, numbers: list[int], folder: Path) -> None:
    """Writes the ONNX files of some candidates, by the exporter of the search engine."""
    import torch

    traced = traced_network(name)
    ((_, shape),) = traced.graph.inputs
    inputs = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    for number in numbers:
        file = folder / name / f"{number}.onnx"
        if not file.exists():
            network = compress(traced, candidates(joint_space(name, traced))[number].policy)
            calibrate(network, [inputs])
            round_biases(network)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(traced_to_onnx(network, [inputs]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="+", help="resnet20, or models of timm")
    parser.add_argument("--folder", type=Path, required=True, help="where the exported networks are kept")
    arguments = parser.parse_args()
    profiler = OnnxRuntimeProfiler(ONNXRUNTIME_CPU)
    for name in arguments.networks:
        halves = [list(range(start, CANDIDATES, 2)) for start in range(2)]
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            list(pool.map(export_all, repeat(name), halves, repeat(arguments.folder)))
        command = f"python benchmarks/given_latency.py {name} --folder FOLDER"
        traced = traced_network(name)
        space = joint_space(name, traced)
        ((_, shape),) = traced.graph.inputs
        files = [arguments.folder / name / f"{number}.onnx" for number in range(CANDIDATES)]
        start = time.monotonic()
        table = made_table(space, profiler, GivenWorkloads(traced))
        minutes = (time.monotonic() - start) / 60
        precise = OnnxRuntimeProfiler(table.device, PRECISE)
        networks = [OnnxNetwork(file.read_bytes(), (1, *shape)) for file in files]
        turns = [time_normalized(precise, networks, table.device.precisions, table.reference_ms) for _ in range(2)]
        first, second = (np.array([timing.latency_ms for timing in turn.timings]) for turn in turns)
        found = FitQuality.compare(tabulate_prices(space, table)(candidates(space).genes), first)
        floor = FitQuality.compare(second, first)
        quality, what = table.calibration.quality, f"`{name}`, {CANDIDATES} random policies"
        assert quality is not None
        for target, figure, form in (
            ("Error of predicted latency of a given network: at most 4 %", found.error_percent, "{:.2f} %"),
            ("Error between two measurements", floor.error_percent, "{:.2f} %"),
            ("Kendall tau of predicted latency of a given network: at least 0.9", found.kendall_tau, "{:.3f}"),
            ("Kendall tau between two measurements", floor.kendall_tau, "{:.3f}"),
            ("Error that the table states", quality.error_percent, "{:.2f} %"),
            (f"Time to make the table, {len(table.entries)} entries", minutes, "{:.1f} min"),
        ):
            print(row(f"{target}, {what}", [figure], form, str(SEED), command), flush=True)


if __name__ == "__main__":
    main()
