"""Calibration of a table on the machine at hand: networks of a space are optimised by the runtime, and some are timed.

In: a joint space and its table. Out: the table with a calibration. Knows no job.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hardware.calibration.calibration import Sample, fit_calibration
from hardware.calibration.conversions import Conversions
from hardware.calibration.tensors import find_tensors
from hardware.device import Device
from hardware.profiling.profiler import Operators, Profiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.workload import RandomNetwork
from hardware.tables.latency_table import LatencyTable, Segment
from search_spaces.additive_cost import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.dataflow import present_nodes
from search_spaces.joint_space import JointSpace, Population

_CHUNK, _GROUP = 20, 50  # networks whose operators are counted, and that are timed, at once
_OPTIMISED = 3  # networks whose operators are counted, for each that is timed


def calibration_steps(timed: int) -> int:
    """How many steps a calibration has where so many networks are timed."""
    return (_OPTIMISED + 1) * timed


def random_network(space: JointSpace, candidate: Candidate, device: Device) -> RandomNetwork:
    """A candidate with random weights, by the kernels of a device."""
    layers = space.architectures.layers(candidate.architecture)
    kernels = [device.kernel(policy) for policy in candidate.policy.layers]
    placed = {layer.name: (layer, kernel) for layer, kernel in zip(layers, kernels, strict=True)}
    return RandomNetwork(tuple(present_nodes(space.architectures.nodes, list(placed))), placed)


def calibrate_table(
    space: JointSpace,
    table: LatencyTable,
    sample: Population,
    rng: np.random.Generator,
    profiler: Profiler,
    progress: Callable[[int], None],
) -> LatencyTable:
    """Fits the calibration of a table that has every layer of a space.

    Args:
        space: Where the networks come from.
        table: Has an entry for every layer.
        sample: Networks to be timed.
        rng: Source of more networks, of which only the operators are counted.
        profiler: Times them; on the machine of the table.
        progress: Called with how many of `calibration_steps(len(sample))` steps are done.
    """
    others = space.sample(rng, (_OPTIMISED - 1) * len(sample))
    seen = Population(space, np.concatenate([sample.genes, others.genes]))
    networks = [random_network(space, candidate, table.device) for candidate in seen.candidates()]
    operators: list[Operators] = []
    for start in range(0, len(networks), _CHUNK):
        operators += profiler.count_operators(networks[start : start + _CHUNK])
        progress(len(operators))
    tensors = [find_tensors(network) for network in networks]
    conversions = Conversions.learn(tensors, operators)
    timed = networks[: len(sample)]
    measured_ms: list[float] = []
    for start in range(0, len(timed), _GROUP):
        group = timed[start : start + _GROUP]
        found = time_normalized(profiler, group, table.device.kernels, table.reference_ms)
        measured_ms += [timing.latency_ms for timing in found.timings]
        progress(len(seen) + len(measured_ms))
    segments, layers_ms, kernels = _layers(space, table, sample)
    fitted = Sample(layers_ms, kernels, tensors[: len(timed)], np.array(measured_ms))
    calibration, factors = fit_calibration(fitted, conversions)
    return table.with_calibration(calibration, dict(zip(segments, factors.tolist(), strict=True)))


def _layers(
    space: JointSpace, table: LatencyTable, sample: Population
) -> tuple[list[Segment], FloatArray, NDArray[np.int32]]:
    """Every entry of a layer of the sample, its latency in each network, shape (n, entries), and its kernel."""
    policies = list(dict.fromkeys(table.device.kernel(policy) for policy in space.policies.known))
    columns: dict[Segment, int] = {}
    cells: list[tuple[int, int, float]] = []
    for row in range(len(sample)):
        candidate = sample[row]
        layers = space.architectures.layers(candidate.architecture)
        for layer, policy in zip(layers, candidate.policy.layers, strict=True):
            segment = table.segment([(layer, policy)])
            cells.append((row, columns.setdefault(segment, len(columns)), table.latency_ms(layer, policy)))
    layers_ms = np.zeros((len(sample), len(columns)))
    for row, column, latency_ms in cells:
        layers_ms[row, column] += latency_ms
    kernels = np.array([policies.index(kernel) for ((_, kernel),) in columns], dtype=np.int32)
    return list(columns), layers_ms, kernels
