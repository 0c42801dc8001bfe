"""Building of latency tables: measures what a table lacks, and keeps what was measured.

Independent of spaces and runtimes: it is given layers, and a profiler runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hardware.profiling.profiler import Profiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.workload import EmptySession, ReplicatedLayer
from hardware.tables.entry import LATENCY, Entry, Segment
from hardware.tables.latency_table import LatencyTable
from hardware.tables.table_file import save_table
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec

_GROUP = 32  # sessions that are open at once, and what a killed run loses at most
_FLOOR_MS = 1e-5  # nothing is free, and a table admits positive latencies only


def measure_missing(
    table: LatencyTable,
    layers: Iterable[LayerSpec],
    policies: Sequence[LayerPolicy],
    profiler: Profiler,
    progress: Callable[[int, int], None],
    save_to: Path | None,
) -> LatencyTable:
    """Measures every layer shape that is missing, once in each precision that executes one of the policies.

    Args:
        table: What is known already, such as a table loaded from `save_to` after an interrupted run.
        layers: The layers that need a latency.
        policies: The policies under which they need it.
        profiler: Runs the layer models.
        progress: Called with the entries measured and to be measured in this call: once at the start, then per group.
        save_to: Written after every group, so that a killed run loses one group at most; None saves nothing.

    Returns:
        The completed table.

    Raises:
        ValueError: If the device executes a policy in no precision, or the table was measured on another machine.
    """
    missing = table.missing(layers, policies)
    machine = profiler.fingerprint()
    table.check_machine(machine)
    progress(0, len(missing))
    for start in range(0, len(missing), _GROUP):
        group = missing[start : start + _GROUP]
        table = table.with_entries(*_measure(table, group, profiler), machine)
        if save_to is not None:
            save_table(table, save_to)
        progress(start + len(group), len(missing))
    return table


def _measure(table: LatencyTable, group: Sequence[Segment], profiler: Profiler) -> tuple[dict[Segment, Entry], float]:
    """Entries of single layers, and the latency of the reference workload beside them."""
    replicas = [ReplicatedLayer(*segment[0]) for segment in group]
    found = time_normalized(profiler, [EmptySession(), *replicas], table.device.precisions, table.reference_ms)
    empty, *timings = found.timings
    entries = {}
    for segment, timing, layer in zip(group, timings, replicas, strict=True):
        latency_ms = max((timing.latency_ms - empty.latency_ms) / layer.count, _FLOOR_MS)
        entries[segment] = Entry({LATENCY: latency_ms}, timing.spread, timing.repeats)
    return entries, found.reference_ms
