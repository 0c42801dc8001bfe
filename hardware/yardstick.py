"""A yardstick: fixed layers whose latency says how fast a machine is at a moment.

In: a profiler and workloads. Out: their timings at the speed that the machine once had. Knows no table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hardware.device import Kernel
from hardware.profiler import Profiler
from hardware.stopwatch import Timing
from hardware.workload import LayerCopies, Workload
from search_spaces.layers import LayerSpec

_LAYERS = (
    LayerSpec("", "conv", 64, 64, 3, input_size=16, activation="relu"),
    LayerSpec("", "conv", 96, 96, 5, groups=96, input_size=16, activation="relu"),
)


@dataclass(frozen=True, slots=True)
class LevelledTimings:
    """Timings of workloads, and of the yardstick beside them.

    Attributes:
        timings: One per workload, in order, at the speed at which the yardstick took its first latency.
        yardstick_ms: Latency of the yardstick: the geometric mean over its layers, in milliseconds.
    """

    timings: list[Timing]
    yardstick_ms: float


def yardsticks(kernels: Sequence[Kernel]) -> list[Workload]:
    """The workloads of the yardstick: a dense and a depthwise convolution for each kernel."""
    return [LayerCopies(layer, kernel.policy) for kernel in kernels for layer in _LAYERS]


def time_levelled(
    profiler: Profiler, workloads: Sequence[Workload], kernels: Sequence[Kernel], first_ms: float | None
) -> LevelledTimings:
    """Times workloads in turns with the yardstick.

    Args:
        profiler: Times them.
        workloads: What is to be timed.
        kernels: What the device computes in.
        first_ms: What the yardstick took when the machine had the speed that counts; None if that is now.
    """
    marks = yardsticks(kernels)
    timings = profiler.time([*marks, *workloads])
    yardstick_ms = float(np.exp(np.mean([np.log(timing.latency_ms) for timing in timings[: len(marks)]])))
    level = 1.0 if first_ms is None else yardstick_ms / first_ms
    at_level = [replace(timing, latency_ms=timing.latency_ms / level) for timing in timings[len(marks) :]]
    return LevelledTimings(at_level, yardstick_ms)
