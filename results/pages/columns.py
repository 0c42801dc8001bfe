"""The columns of a page: which ones there are follows from the evaluations, how numbers look from their metrics."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from results.metric import EXPECTED, Metric, extend_metrics

if TYPE_CHECKING:
    import pandas as pd

NORMAL_90 = 1.645  # a normal variable lies within this many standard deviations with probability 0.9
_ORIGINS = ("measured_", "predicted_", "before_")  # how a value came about, before the name of its metric
_HIDDEN = ("key", "sequence", "fidelity")  # the key has a column of its own; the others tell a reader nothing


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Of the column of evaluations.
        heading: For people.
        style: Class of its cells: `number`, or the name of a column of text.
        metric: How its numbers are written; None for other numbers and for text.
    """

    name: str
    heading: str
    style: str
    metric: Metric | None = None

    def text(self, row: Mapping[Hashable, Any]) -> str:
        """The cell of an evaluation, with half of its 90 % interval where that is known; empty where it has none.

        A row has values by column name, and the standard deviation of a metric under its name and `_std`.
        """
        value = row[self.name]
        if value is None or value != value:  # not a number
            return ""
        half = NORMAL_90 * row.get(f"{self.name}_std", math.nan)
        return self._write(value) + ("" if math.isnan(half) else f" ± {self._write(half)}")

    def _write(self, value: object) -> str:
        if not isinstance(value, float):
            return str(value)
        if self.metric is not None:
            return self.metric.render(value)
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def make_columns(frame: pd.DataFrame, axes: Sequence[Metric]) -> list[Column]:
    """The key, the traded metrics, other numbers, then text; what no evaluation has is left out.

    Args:
        frame: The evaluations that are shown.
        axes: The traded metrics.
    """
    known = extend_metrics(replace(entry, name=entry.name.removeprefix(EXPECTED)) for entry in axes)
    traded = {entry.name: Column(entry.name, entry.label, "number", entry) for entry in axes}
    deviations = {f"{name}_std" for name in frame.columns}
    others = [
        str(name)
        for name in frame.columns
        if name not in (*_HIDDEN, *traded) and name not in deviations and frame[name].notna().any()
    ]
    numbers = [name for name in others if frame[name].dtype.kind in "iuf"]
    return [
        Column("key", "key", "key"),
        *traded.values(),
        *(Column(name, name.replace("_", " "), "number", _find_metric(name, known)) for name in numbers),
        *(Column(name, name.replace("_", " "), name) for name in others if name not in numbers),
    ]


def _find_metric(name: str, known: Mapping[str, Metric]) -> Metric | None:
    """The metric that a column holds values of, such as accuracy for `measured_accuracy`."""
    bases = (name, *(name.removeprefix(prefix) for prefix in _ORIGINS if name.startswith(prefix)))
    return next((known[base] for base in bases if base in known), None)
