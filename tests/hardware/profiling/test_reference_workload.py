"""Timings are those of the speed at which the machine once ran the reference workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hardware.device import FP32, INT8
from hardware.profiling.reference_workload import list_reference_workloads, time_normalized
from hardware.profiling.stopwatch import Timing
from hardware.profiling.workload import EmptySession, Workload


class SlowProfiler:
    """Takes 1 ms for parts of the reference workload and 3 ms for all else, times a slowness."""

    def __init__(self, slowness: float) -> None:
        self.slowness = slowness

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        known = list_reference_workloads([FP32, INT8])
        return [Timing(self.slowness * (1.0 if workload in known else 3.0), 0.1, 7) for workload in workloads]

    def count_operators(self, workloads: Sequence[Workload]) -> list[Mapping[str, tuple[int, float]]]:
        raise NotImplementedError

    def fingerprint(self) -> dict[str, str]:
        raise NotImplementedError


@pytest.mark.parametrize("slowness", [0.5, 1.0, 4.0])
def test_how_fast_the_machine_is_now_makes_no_difference(slowness: float) -> None:
    found = time_normalized(SlowProfiler(slowness), [EmptySession()] * 2, [FP32, INT8], first_ms=2.0)
    assert [timing.latency_ms for timing in found.timings] == pytest.approx([6.0, 6.0])
    assert found.timings[0].repeats == 7
    assert found.reference_ms == pytest.approx(slowness)


def test_the_first_timings_are_taken_as_they_are() -> None:
    found = time_normalized(SlowProfiler(4.0), [EmptySession()], [FP32], first_ms=None)
    assert [timing.latency_ms for timing in found.timings] == [12.0]
