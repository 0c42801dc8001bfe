"""Exported networks as a table on the console; its columns follow from those of the networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from nas.jobs.console.plain_text import plain
from results.metric import METRICS, Metric
from results.pages.columns import NORMAL_90
from search_spaces.quoting import escape_lines

if TYPE_CHECKING:
    import pandas as pd

_KINDS = ("before", "predicted", "expected", "measured", "test")  # prefixes of columns: the kind of a value
_TEXTS = {"role": "network", "file": "file"}


def networks_table(networks: pd.DataFrame, caption: str, metrics: Mapping[str, Metric] = METRICS) -> Table:
    """Networks as a table for a console.

    Args:
        networks: One row per network. Columns: role, file, and metrics under their names, with a prefix for the kind of
            the value, such as `measured_accuracy`; see `nas.jobs.stages.export.Export`. Columns without a value are
            left out.
        caption: Explanation of the values.
        metrics: The metrics that are known, by name.
    """
    table = Table(caption=plain(caption))
    cells: list[list[str]] = []
    for column in networks.columns:
        heading, show = _describe(column, networks, metrics)
        absent = networks[column].isna()
        if show is None or absent.all():
            continue
        table.add_column(Text(escape_lines(heading)), justify="left" if column in _TEXTS else "right", overflow="fold")
        cells.append(["-" if absent[row] else show(row, cell) for row, cell in enumerate(networks[column])])
    for row in zip(*cells, strict=True):
        table.add_row(*map(plain, row))
    return table


def describe_values(networks: pd.DataFrame, images: int, latencies: str = "") -> str:
    """Explains the values of exported networks in one line.

    Args:
        networks: The networks, as `networks_table` takes them.
        images: Number of validation images.
        latencies: Explanation of predicted latencies; empty if there are none.
    """
    spreads = [column for column in networks.columns if column.startswith("expected_") and column.endswith("_std")]
    interval = ", with 90 % intervals" if networks[spreads].notna().to_numpy().any() else ""
    latency = networks.get("measured_latency_ms")
    timed = "" if latency is None or latency.isna().all() else " and measured latencies"
    parts = [
        f"expected values are those on new images, given all measurements{interval}",
        f"measured ones are on {images:,} validation images",
        *([latencies] if latencies else []),
        f"test values{timed} are of the ONNX file",
    ]
    return "; ".join(parts)


def _describe(
    column: str, networks: pd.DataFrame, metrics: Mapping[str, Metric]
) -> tuple[str, Callable[[int, object], str] | None]:
    """The heading of a column, and a function of row and cell to its text; None for a column that is not shown."""
    if column in _TEXTS:
        return _TEXTS[column], lambda _, cell: str(cell)
    kind = next((kind for kind in _KINDS if column.startswith(f"{kind}_")), "")
    name = column.removeprefix(f"{kind}_") if kind else column
    if name not in metrics:
        return column, None
    metric = metrics[name]
    std = networks.get(f"{column}_std")

    def show(row: int, cell: object) -> str:
        text = metric.format.format(cell)
        if std is None or math.isnan(std[row]):
            return text
        half = NORMAL_90 * std[row]
        # two digits say how sure a value is, whatever the size of its unit
        return f"{text} ± {metric.format.format(half) if half >= 100 else f'{half:.2g}'}"

    return f"{_name(metric)}\n{kind}", show


def _name(metric: Metric) -> str:
    """The name of a metric, and its unit unless it has none, the name ends with it or it is a count."""
    said = metric.unit == "count" or metric.name.endswith(metric.unit)  # as with an empty unit
    return metric.name if said else f"{metric.name} {metric.unit}"
