"""The reference workload: fixed layers whose latency says how fast a machine is at the moment.

It is timed in turns with other workloads. The ratio of its latency to that at an earlier moment is how much the machine
has slowed down since; divided by it, the other latencies are those at the earlier speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hardware.device import Precision
from hardware.profiling.profiler import Profiler
from hardware.profiling.stopwatch import Timing
from hardware.profiling.workload import ReplicatedLayer, Workload
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

# A dense convolution is bound by arithmetic, a depthwise one by memory; a machine may slow down in either.
_LAYERS = (
    LayerSpec.conv("", Convolution.square(64, 64, 3), 16, activation="relu"),
    LayerSpec.conv("", Convolution.square(96, 96, 5, groups=96), 16, activation="relu"),
)


@dataclass(frozen=True, slots=True)
class NormalizedTimings:
    """Timings of workloads, and of the reference workload beside them.

    Attributes:
        timings: One per workload, in order, at the speed of the moment of `first_ms`.
        reference_ms: Present latency of the reference workload: the geometric mean over its parts, in milliseconds.
    """

    timings: list[Timing]
    reference_ms: float


def list_reference_workloads(precisions: Sequence[Precision]) -> list[Workload]:
    """The parts of the reference workload: a dense and a depthwise convolution in each precision."""
    return [ReplicatedLayer(layer, precision.policy) for precision in precisions for layer in _LAYERS]


def time_normalized(
    profiler: Profiler, workloads: Sequence[Workload], precisions: Sequence[Precision], first_ms: float | None
) -> NormalizedTimings:
    """Times workloads in turns with the reference workload.

    Args:
        profiler: Times the workloads.
        workloads: The workloads to be timed.
        precisions: Precisions of the device.
        first_ms: Latency of the reference workload at the earlier moment at whose speed timings are given, in
            milliseconds; None gives them at the present speed.
    """
    references = list_reference_workloads(precisions)
    timings = profiler.time([*references, *workloads])
    reference_ms = float(np.exp(np.mean([np.log(timing.latency_ms) for timing in timings[: len(references)]])))
    slowdown = 1.0 if first_ms is None else reference_ms / first_ms
    normalized = [replace(timing, latency_ms=timing.latency_ms / slowdown) for timing in timings[len(references) :]]
    return NormalizedTimings(normalized, reference_ms)
