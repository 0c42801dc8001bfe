"""Building of latency tables: measures what a table lacks, and keeps what was measured.

Independent of spaces and runtimes: it is given layers, and a profiler runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from hardware.device import describe_changes
from hardware.profiling.profiler import Profiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.workload import EmptySession, ReplicatedLayer
from hardware.tables.entry import LATENCY, Entry, Segment
from hardware.tables.latency_table import LatencyTable
from hardware.tables.table_file import save_table
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec

_GROUP = 32  # layers that are timed in turns and then saved: sessions open at once, and the most an interruption loses
_FLOOR_MS = 1e-5  # where noise makes the difference of two timings 0 or less; a table has positive latencies only


def measure_missing(
    table: LatencyTable,
    layers: Iterable[LayerSpec],
    policies: Sequence[LayerPolicy],
    profiler: Profiler,
    progress: Callable[[int, int], None],
    save_to: Path | None,
) -> LatencyTable:
    """Measures every distinct layer that a table lacks, once in each precision that executes one of the policies.

    Args:
        table: The table so far, such as one that was loaded from `save_to` after an interruption.
        layers: The layers that need a latency.
        policies: The policies under which they need it.
        profiler: Runs the layer models.
        progress: Called with the number of entries measured so far and to be measured in all, at the start and after
            every group.
        save_to: File that is written after every group, so that an interruption loses one group at most; None saves
            nothing.

    Returns:
        The completed table.

    Raises:
        ValueError: If the device has no precision for a policy, or the table was measured on another machine.
        OSError: If the machine changes meanwhile, such as its quota of CPU time; the last group is not kept.
    """
    missing = table.missing(layers, policies)
    machine = profiler.fingerprint()
    table.check_machine(machine)
    progress(0, len(missing))
    for start in range(0, len(missing), _GROUP):
        group = missing[start : start + _GROUP]
        entries, reference_ms = _measure(table, group, profiler)
        check_unchanged(machine, profiler)
        table = table.with_entries(entries, reference_ms, machine)
        if save_to is not None:
            save_table(table, save_to)
        progress(start + len(group), len(missing))
    return table


def check_unchanged(machine: Mapping[str, str], profiler: Profiler) -> None:
    """Makes sure that what was just timed was timed on the machine as it was before.

    Args:
        machine: Its fingerprint before.
        profiler: Reads the one of now.

    Raises:
        OSError: If they differ: the timings of both do not belong into one table.
    """
    now = profiler.fingerprint()
    if now != machine:
        raise OSError(
            f"the machine changed while it was measured ({describe_changes(machine, now)}); keep it as it is, and "
            "start again"
        )


def _measure(table: LatencyTable, group: Sequence[Segment], profiler: Profiler) -> tuple[dict[Segment, Entry], float]:
    """Entries of single layers, and the latency of the reference workload that was timed with them."""
    replicas = [ReplicatedLayer(*segment[0]) for segment in group]
    found = time_normalized(profiler, [EmptySession(), *replicas], table.device.precisions, table.reference_ms)
    empty, *timings = found.timings
    entries = {}
    for segment, timing, layer in zip(group, timings, replicas, strict=True):
        latency_ms = max((timing.latency_ms - empty.latency_ms) / layer.count, _FLOOR_MS)
        entries[segment] = Entry({LATENCY: latency_ms}, timing.spread, timing.repeats)
    return entries, found.reference_ms
