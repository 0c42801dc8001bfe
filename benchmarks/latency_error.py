"""Predicted against measured latency: random candidates with random int8 and fp32 policies, exported and run.

In: nothing. Out: rows of the table in `README.md`; a sample is a set of 30 candidates of one family. The latency table
of a family is made first, and the time that it takes is a row, too. The candidates are exported and timed
twice after that; how far the second timing is from the first is the floor: a perfect prediction would be as far off.
All latencies are at the speed that the machine had when the table was begun, by the reference workload.

Exported files are kept in a folder, so that a second start does not export again.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from report import row

from hardware.building.build_table import measure_missing
from hardware.building.calibrate_table import Build, calibrate_table
from hardware.calibration.fit_quality import FitQuality
from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.stopwatch import Stopwatch
from hardware.profiling.workload import OnnxNetwork
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import tabulate_prices
from nas.jobs.files.device_section import DeviceSection
from nas.jobs.stages.sampling import representative_sample
from search_spaces.additive_cost import FloatArray
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space

FAMILIES = ("mobilenet_v3_cifar", "resnet_cifar")
SETS, CANDIDATES = 3, 30
PRECISE = Stopwatch(bound=0.003, limit_s=120.0, rounds=(8, 40))  # what predictions are compared with
FIRST_SEED = 1  # those of the calibration are drawn with seed 0


def joint_space(family: str) -> JointSpace:
    return JointSpace(create_space(family, 3, 10), PolicySpace.parse(["w32a32", "w8a8"]))


def exported(family: str, number: int, folder: Path) -> OnnxNetwork:
    """The ONNX file of a candidate with random weights, by the exporter of the search engine."""
    import torch

    from nas.compression.compress import apply_policy, calibrate
    from nas.compression.integer_biases import round_biases
    from nas.export.onnx_model import save_onnx, to_onnx
    from search_spaces.elastic.supernet import build_supernet

    torch.set_num_threads(1)
    space, file = joint_space(family), folder / family / f"{number}.onnx"
    candidate = candidates(space)[number]
    side = candidate.architecture.resolution
    if not file.exists():
        plain = build_supernet(space.architectures, 0).eval().extract(candidate.architecture)
        network = apply_policy(plain, space.architectures.layers(candidate.architecture), candidate.policy)
        calibrate(network, [torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(0))])
        round_biases(network)
        file.parent.mkdir(parents=True, exist_ok=True)
        save_onnx(to_onnx(network, (3, side, side)), file)
    return OnnxNetwork(file.read_bytes(), (1, 3, side, side))


def candidates(space: JointSpace) -> Population:
    sets = [space.sample(np.random.default_rng(FIRST_SEED + number), CANDIDATES).genes for number in range(SETS)]
    return space.population(np.concatenate(sets))


def made_table(space: JointSpace, profiler: OnnxRuntimeProfiler, build: Build | None = None) -> LatencyTable:
    """What `nas profile` makes with its defaults; see `calibrate_table` for `build`."""
    empty, policies = LatencyTable(ONNXRUNTIME_CPU), space.policies.all_policies
    table = measure_missing(empty, space.list_distinct_layers(), policies, profiler, nothing, None)
    rng = np.random.default_rng(0)
    sample = representative_sample(space, rng, DeviceSection().calibration_networks)
    return calibrate_table(table, sample, rng, profiler, nothing, build)


def nothing(*progress: int) -> None:
    """Shows no progress."""


def compared(predicted: FloatArray, measured: FloatArray) -> list[FitQuality]:
    """The agreement within each set."""
    return [
        FitQuality.compare(*halves) for halves in zip(np.split(predicted, SETS), np.split(measured, SETS), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--folder", type=Path, required=True, help="where the exported networks are kept")
    arguments = parser.parse_args()
    profiler = OnnxRuntimeProfiler(ONNXRUNTIME_CPU)
    command, seeds = "python benchmarks/latency_error.py --folder FOLDER", f"{FIRST_SEED} to {FIRST_SEED + SETS - 1}"
    for family in arguments.families:
        space = joint_space(family)
        numbers = range(SETS * CANDIDATES)
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            networks = list(pool.map(exported, repeat(family), numbers, repeat(arguments.folder)))
        start = time.monotonic()
        table = made_table(space, profiler)
        minutes = (time.monotonic() - start) / 60
        kernels, first_ms = table.device.precisions, table.reference_ms
        precise = OnnxRuntimeProfiler(table.device, PRECISE)
        turns = [time_normalized(precise, networks, kernels, first_ms).timings for _ in range(2)]
        first, second = (np.array([timing.latency_ms for timing in turn]) for turn in turns)
        found = compared(tabulate_prices(space, table)(candidates(space).genes), first)
        floor = compared(second, first)
        what = f"`{family}`, sets of {CANDIDATES}"
        quality = table.calibration.quality
        assert quality is not None
        for name, samples, form in (
            ("Error of predicted latency: at most 4 %", [one.error_percent for one in found], "{:.2f} %"),
            ("Error between two measurements", [one.error_percent for one in floor], "{:.2f} %"),
            ("Kendall tau of predicted latency: at least 0.95", [one.kendall_tau for one in found], "{:.3f}"),
            ("Kendall tau between two measurements", [one.kendall_tau for one in floor], "{:.3f}"),
            ("Error that the table states", [quality.error_percent], "{:.2f} %"),
            (f"Time to make the table, {len(table.entries)} entries: under 15 minutes", [minutes], "{:.1f} min"),
        ):
            print(row(f"{name}, {what}", samples, form, seeds, command), flush=True)


if __name__ == "__main__":
    main()
