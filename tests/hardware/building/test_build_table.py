"""Building measures exactly what is missing, once, also across a kill, and at one speed of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hardware.building.build_table import measure_missing
from hardware.device import ONNXRUNTIME_CPU, read_fingerprint
from hardware.profiling.profiler import OperatorCounts
from hardware.profiling.reference_workload import list_reference_workloads
from hardware.profiling.stopwatch import Timing
from hardware.profiling.workload import EmptySession, ReplicatedLayer, Workload
from hardware.tables.latency_table import LatencyTable
from hardware.tables.table_file import load_table
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

LAYERS = [LayerSpec.conv(f"layer{i}", Convolution.square(8, 8 + i), 4) for i in range(20)]
POLICIES = [LayerPolicy(), LayerPolicy.quantized(7, 8), LayerPolicy.quantized(4, 8)]
REFERENCE_WORKLOADS = list_reference_workloads(ONNXRUNTIME_CPU.precisions)


class FakeProfiler:
    """Says that every layer copy takes 0.5 ms and a session 1 ms; is killed after some measurements."""

    def __init__(self, kill_after: int = 1000) -> None:
        self.kill_after = kill_after
        self.measured: list[Workload] = []
        self.slowness = 1.0

    def latency_ms(self, workload: Workload) -> float:
        if workload == EmptySession():
            return 1.0
        if workload in REFERENCE_WORKLOADS:
            return 2.0
        if len(self.measured) == self.kill_after:
            raise KeyboardInterrupt
        self.measured.append(workload)
        return 1.0 + 8 * 0.5

    def count_operators(self, workloads: Sequence[Workload]) -> list[OperatorCounts]:
        return []

    def fingerprint(self) -> dict[str, str]:
        return read_fingerprint()

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        return [Timing(self.slowness * self.latency_ms(workload), 0.1, 20) for workload in workloads]


def test_subtracts_the_session_and_divides_by_the_replicas() -> None:
    seen: list[tuple[int, int]] = []
    profiler = FakeProfiler()
    empty = LatencyTable(ONNXRUNTIME_CPU)
    table = measure_missing(empty, LAYERS, POLICIES, profiler, lambda done, total: seen.append((done, total)), None)
    assert table.latency_ms(LAYERS[3], POLICIES[2]) == pytest.approx(0.5)
    assert seen == [(0, 40), (32, 40), (40, 40)]
    assert table.missing(LAYERS, POLICIES) == []
    assert set(profiler.measured) == {ReplicatedLayer(layer.unnamed, p) for layer in LAYERS for p in POLICIES[:2]}


def test_a_killed_run_continues_without_measuring_twice(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    empty = LatencyTable(ONNXRUNTIME_CPU)
    first = FakeProfiler(kill_after=34)
    with pytest.raises(KeyboardInterrupt):
        measure_missing(empty, LAYERS, POLICIES, first, _ignore, path)
    saved = load_table(path)
    second = FakeProfiler()
    table = measure_missing(saved, LAYERS, POLICIES, second, _ignore, path)
    assert len(saved.entries) == 32
    assert not set(second.measured) & set(first.measured[:32])
    assert len(second.measured) == 8
    assert load_table(path) == table

    measure_missing(table, LAYERS, POLICIES, FakeProfiler(kill_after=0), _ignore, path)  # nothing is left to measure


def test_a_machine_that_has_become_slower_changes_no_entry() -> None:
    profiler = FakeProfiler()

    def slow_down(done: int, total: int) -> None:
        profiler.slowness = 1.7 if done else 1.0

    table = measure_missing(LatencyTable(ONNXRUNTIME_CPU), LAYERS, POLICIES, profiler, slow_down, None)
    assert table.latency_ms(LAYERS[0], POLICIES[0]) == pytest.approx(0.5)
    assert table.latency_ms(LAYERS[-1], POLICIES[1]) == pytest.approx(0.5)


def test_a_quota_that_changes_meanwhile_ends_it_and_what_was_measured_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"

    class Rescaled(FakeProfiler):
        def fingerprint(self) -> dict[str, str]:
            return {**read_fingerprint(), "usable_cpus": "4" if len(self.measured) <= 32 else "1.5"}

    with pytest.raises(OSError, match=r"changed while it was measured \(usable_cpus was '4', is '1.5'\); keep it"):
        measure_missing(LatencyTable(ONNXRUNTIME_CPU), LAYERS, POLICIES, Rescaled(), _ignore, path)
    assert len(load_table(path).entries) == 32


def test_a_layer_faster_than_an_empty_session_still_has_a_positive_latency() -> None:
    class Instant(FakeProfiler):
        def latency_ms(self, workload: Workload) -> float:
            return 1.0

    table = measure_missing(LatencyTable(ONNXRUNTIME_CPU), LAYERS[:1], POLICIES[:1], Instant(), _ignore, None)
    assert 0 < table.latency_ms(LAYERS[0], POLICIES[0]) < 1e-3


def _ignore(done: int, total: int) -> None:
    pass
