"""An analytic bound on tables: no device computes faster than its peak, so latencies in another unit stand out."""

from __future__ import annotations

from collections import defaultdict

from hardware.device import DEVICES
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import FULL_PRECISION_BITS

_CORE_GOPS, _CORE_INT8_GOPS = 400.0, 8000.0  # billions of operations per second that no core of a CPU reaches


def check_plausible(table: LatencyTable, peak_gops: float | None = None) -> None:
    """Refuses a table whose layers, taken together, run faster than the device can.

    Args:
        table: Its entries of single layers are compared, all of one precision together.
        peak_gops: Billions of operations per second that the device cannot exceed, a multiply-accumulate being two;
            None is the bound of a CPU with the device's threads where it is one that this program measures, else none.

    Raises:
        ValueError: If it runs faster, or there is nothing to compare a peak with.
    """
    if peak_gops is None and (table.device.name not in DEVICES or table.device.processor != "cpu"):
        return
    if peak_gops is not None and not peak_gops > 0:
        raise ValueError(f"a peak must be above 0 billion operations per second, got {peak_gops}")
    operations: dict[str, float] = defaultdict(float)
    latency_ms: dict[str, float] = defaultdict(float)
    bounds: dict[str, float] = {}
    for segment, entry in table.entries.items():
        if len(segment) == 1 and LATENCY in entry.values:
            ((layer, executed),) = segment
            operations[str(executed)] += 2 * layer.macs * table.device.batch
            latency_ms[str(executed)] += entry.values[LATENCY]
            core = _CORE_GOPS if executed.activation_bits == FULL_PRECISION_BITS else _CORE_INT8_GOPS
            bounds[str(executed)] = core * table.device.threads if peak_gops is None else peak_gops
    if peak_gops is not None and not bounds:
        raise ValueError(
            f"the table of {table.device.name!r} has no latency_ms of a single layer to compare with a peak"
        )
    for precision, bound in bounds.items():
        gops = operations[precision] / latency_ms[precision] * 1e-6
        if gops > bound:
            raise ValueError(
                f"layers at {precision} would run at {gops:,.0f} billion operations per second on "
                f"{table.device.name!r}, which cannot exceed {bound:,.0f}; latencies must be in milliseconds"
            )
