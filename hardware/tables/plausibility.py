"""A plausibility check of tables: latencies in a wrong unit would be faster than the peak of the device."""

from __future__ import annotations

from collections import defaultdict

from hardware.device import DEVICES
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import FULL_PRECISION_BITS

# Billions of operations per second, in float32 and in int8, above what the vector units and the
# matrix units of current CPU cores reach.
_CORE_GOPS, _CORE_INT8_GOPS = 400.0, 8000.0


def check_plausible(table: LatencyTable, peak_gops: float | None = None) -> None:
    """Refuses a table whose layers would run faster than the device can.

    Args:
        table: The table. Its entries of single layers are added up by precision.
        peak_gops: Billions of operations per second that the device cannot exceed, a multiply-accumulate being two.
            None takes a bound by the number of threads if the device is a registered CPU, and checks nothing otherwise.

    Raises:
        ValueError: If the layers of a precision exceed the peak, if the given peak is not above 0, or if a peak is
            given and the table has no latency of a single layer.
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
        if not gops <= bound:
            raise ValueError(
                f"layers at {precision} would run at {gops:,.0f} billion operations per second on "
                f"{table.device.name!r}, which cannot exceed {bound:,.0f}; latencies must be in milliseconds"
            )
