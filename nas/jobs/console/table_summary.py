"""A latency table described in a few lines of text."""

from __future__ import annotations

from collections import Counter

from hardware.calibration.calibration import Calibration
from hardware.tables.latency_table import LatencyTable


def describe_table(table: LatencyTable, sealed: bool = True) -> list[str]:
    """Lines on the device, the origin, the entries, the policies and the error on whole networks.

    Args:
        table: The table.
        sealed: Whether its file bears a seal; one that does not is said.
    """
    device, calibration = table.device, table.calibration
    policies = Counter(str(policy) for segment in table.entries for _, policy in segment[:1])
    blocks = sum(len(segment) > 1 for segment in table.entries)
    lines = [
        f"device    {table.location}, {device.runtime}, threads {device.threads}, batch {device.batch}",
        f"origin    {table.origin}{f' on {table.date}' if table.date else ''}",
        f"entries   {len(table.entries)}, of which {blocks} of several layers; metrics {', '.join(table.metrics)}",
        f"policies  {', '.join(f'{name} ({count})' for name, count in policies.items())}",
    ]
    if table.ignores:
        lines.append(f"ignores   {', '.join(table.ignores)} of a layer")
    if table.constants:
        lines.append(
            f"besides   {', '.join(f'{name} {value:.4g}' for name, value in table.constants.items())} per network"
        )
    if not sealed:
        lines.append("seal      none: whether the file changed since it was written is not known")
    return [*lines, f"networks  {describe_fit(calibration)}"]


def describe_fit(calibration: Calibration) -> str:
    """The error of a table on whole networks, as text."""
    quality = calibration.quality
    if quality is None:
        few = "fitted, but too few to hold one out: the error is unknown"
        return "not calibrated on whole networks" if calibration == Calibration() else few
    return (
        f"within {quality.error_percent:.1f} % on average, Kendall tau {quality.kendall_tau:.2f} "
        f"(each of {quality.networks} held out in turn)"
    )
