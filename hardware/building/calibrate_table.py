"""Calibration of a table on the machine at hand, by random networks of a space.

Some networks are timed. Of these and of more networks, the operators that the runtime runs are counted, from which
`Conversions` learns what the runtime does with each tensor; that takes no timing, so more networks cost little. The
result is the table with a calibration, by which the latencies of the other networks of the space are predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hardware.calibration.calibration import MeasuredNetworks, fit_calibration
from hardware.calibration.conversions import Conversions
from hardware.calibration.tensors import find_tensors
from hardware.device import Device
from hardware.profiling.profiler import OperatorCounts, Profiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.stopwatch import Timing
from hardware.profiling.workload import RandomNetwork, Workload
from hardware.tables.entry import Segment
from hardware.tables.latency_table import LatencyTable
from search_spaces.additive_cost import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.dataflow import place_operators, select_present_nodes
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

Build = Callable[[Candidate, Device], Workload]
_CHUNK = 20  # networks whose operators are counted between two reports of progress
_GROUP = 50  # networks that are timed in turns; more turns at once remove drift better, but all sessions are in memory
_WEIGHTS_AT_ONCE = 1 << 27  # weights of all networks that are in memory together: half a gigabyte in float32
_OPTIMISED = 3  # networks whose operators are counted for each network that is timed: uses are many, timings are slow


def count_calibration_steps(timed: int) -> int:
    """Number of steps of progress that `calibrate_table` reports if `timed` networks are timed."""
    return (_OPTIMISED + 1) * timed


def build_random_network(space: JointSpace, candidate: Candidate, device: Device) -> RandomNetwork:
    """A candidate with random weights, as a device executes it, but without low rank.

    Args:
        space: The joint space of the candidate.
        candidate: The candidate.
        device: The device, which decides in which precision each layer is executed.

    Raises:
        ValueError: If the device has no precision for a policy.
    """
    architectures = space.architectures
    layers = architectures.layers(candidate.architecture)
    executed = [device.executed_as(policy) for policy in candidate.policy.layers]
    placed = {layer.name: (layer, policy) for layer, policy in zip(layers, executed, strict=True)}
    inputs = {name: layers[0].input_shape if shape is None else shape for name, shape in architectures.inputs.items()}
    values = architectures.decode_values(architectures.encode_once(candidate.architecture))
    nodes = place_operators(architectures.nodes, architectures.operator_slots, values)
    return RandomNetwork(tuple(select_present_nodes(nodes, list(placed), architectures.presence)), placed, inputs)


def calibrate_table(
    table: LatencyTable,
    sample: Population,
    rng: np.random.Generator,
    profiler: Profiler,
    progress: Callable[[int], None],
    build: Build | None = None,
) -> LatencyTable:
    """Fits the calibration of a table that has every layer of a space.

    Networks are timed without low rank: how layers of a shape act within a network does not depend on the rank. The
    tensor between two factors has no cost of its own. Both are executed in one precision, so a runtime converts nothing
    there; the costs of uses that are learnt from networks without ranks would say otherwise, for most of these uses
    never occur without others, and share their costs. How large the error on networks with ranks is, is not known.

    Args:
        table: A table with an entry for every layer.
        sample: Networks of the space that are timed.
        rng: Source of more random networks, of which only the operators are counted.
        profiler: Runs the networks on the machine of the table.
        progress: Called with the number of steps that are done, of `count_calibration_steps(len(sample))`.
        build: Makes the workload for a candidate; None builds a random network node by node, for which no node may be
            opaque.

    Raises:
        ValueError: If the table has entries of blocks or a constant latency, or the device has no precision for a
            policy.
        MissingCost: If the table lacks a layer; the message names the layer.
    """
    space, device = sample.space, table.device
    others = space.sample(rng, (_OPTIMISED - 1) * len(sample))
    population = Population(space, np.concatenate([sample.genes, others.genes]))
    candidates = population.candidates
    networks = [build_random_network(space, candidate, device) for candidate in candidates]

    def build_workloads(part: slice) -> Sequence[Workload]:
        return [build(candidate, device) for candidate in candidates[part]] if build else networks[part]

    operators: list[OperatorCounts] = []
    for part in _parts(networks, _CHUNK):
        operators += profiler.count_operators(build_workloads(part))
        progress(len(operators))
    tensors = [find_tensors(network) for network in networks]
    conversions = Conversions.learn(tensors, operators)
    timings: list[Timing] = []
    for part in _parts(networks[: len(sample)], _GROUP):
        found = time_normalized(profiler, build_workloads(part), device.precisions, table.reference_ms)
        timings += found.timings
        progress(len(population) + len(timings))
    segments, layers_ms, precisions = _layers(table, sample)
    measured_ms, spread = np.array([(one.latency_ms, one.spread) for one in timings]).T
    fitted = MeasuredNetworks(layers_ms, precisions, tensors[: len(sample)], measured_ms, float(np.median(spread)))
    calibration, factors = fit_calibration(fitted, conversions)
    fitted_factors = dict(zip(segments, factors.tolist(), strict=True))
    return table.with_calibration(calibration, _typical_factors(table, segments, factors) | fitted_factors)


def _typical_factors(table: LatencyTable, segments: Sequence[Segment], factors: FloatArray) -> dict[Segment, float]:
    """The factors of entries that no network of the sample has, such as layers of low rank: the median of a precision.

    Args:
        table: The table.
        segments: The segments of which the factors are known.
        factors: Their factors, shape (segments,).
    """
    policies = [policy for ((_, policy),) in segments]
    typical = {
        policy: float(np.median(factors[[other == policy for other in policies]])) for policy in dict.fromkeys(policies)
    }
    known = {*segments}
    others = [segment for segment in table.entries if segment not in known]
    return {segment: typical[policy] for segment in others for _, policy in segment if policy in typical}


def _parts(networks: Sequence[RandomNetwork], most: int) -> Iterator[slice]:
    """Consecutive parts of `most` networks, or of fewer if these are large: all of a part are in memory at once."""
    largest = max(sum(layer.weights for layer, _ in network.layers.values()) for network in networks)
    size = max(1, min(most, _WEIGHTS_AT_ONCE // largest))
    return (slice(start, min(start + size, len(networks))) for start in range(0, len(networks), size))


def _layers(table: LatencyTable, sample: Population) -> tuple[list[Segment], FloatArray, NDArray[np.int32]]:
    """The arguments of `MeasuredNetworks` that follow from the table, and the segments of its entries.

    Returns:
        The segments of the layers of the sample; the latency of each segment in each network, shape (n, segments); the
        index of the precision of each segment, shape (segments,).
    """
    device = table.device
    policies = list(dict.fromkeys(device.executed_as(policy) for policy in sample.space.policies.all_policies))
    columns: dict[Segment, int] = {}
    cells: list[tuple[int, int, float]] = []
    layers = sample.space.layers(sample.genes)
    for row, (own, candidate) in enumerate(zip(layers, sample.candidates, strict=True)):
        for layer, policy in zip(own, candidate.policy.layers, strict=True):
            executed = device.executed_as(policy)
            for call in layer.calls:
                segment = table.segment([(call, executed)])
                cells.append((row, columns.setdefault(segment, len(columns)), table.latency_ms(call, executed)))
    layers_ms = np.zeros((len(sample), len(columns)))
    for row, column, latency_ms in cells:
        layers_ms[row, column] += latency_ms
    precisions = np.array([policies.index(policy) for ((_, policy),) in columns], dtype=np.int32)
    return list(columns), layers_ms, precisions
