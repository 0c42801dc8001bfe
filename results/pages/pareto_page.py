"""A page that shows the Pareto front of evaluations, in any two or more metrics: a chart and a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from results.metric import Metric
from results.pages.columns import make_columns
from results.pages.pareto_chart import EXPORTED, STYLES, draw_pareto_chart, state_aim
from results.pages.template import write_page

if TYPE_CHECKING:
    import pandas as pd

GROUPS = (*STYLES, EXPORTED)


def write_pareto_page(
    frame: pd.DataFrame,
    metrics: Sequence[Metric],
    path: Path,
    title: str,
    note: str = "",
    failures: Sequence[tuple[str, str]] = (),
) -> None:
    """Writes the page, making its folder.

    The vertical axis shows the first metric that is maximised (else the second metric), the horizontal axis the first
    of the others, colour the next one; all of them decide what is on the front. Points are of four groups:

    - "searched": by predictions, in whole or in part.
    - "measured": by measurements, of this search or of earlier ones of the same subject.
    - "verified": searched by predictions, then measured.
    - "exported": measured or verified, and exported to a file; labelled on the chart.

    If there are points that are more than searched, only they make the front: predictions may be too good to be true. A
    caller that knows the front, for it also has limits, says so in the column `front`.

    Args:
        frame: Evaluations as from `ResultsDatabase.frame`: a column `key` and one per metric; rows that lack one of the
            metrics are left out. Optional columns: `group` (searched if absent), `description` (text for people), the
            standard deviation of a metric under its name and `_std` (the front then shows 90 % intervals), and `front`
            (whether a point is on the front). What other
            columns hold is shown with each point and in the table.
        metrics: Two or more metrics to trade.
        path: The HTML file to write.
        title: Heading of the page.
        note: What readers are to know of the values.
        failures: Key and reason of each candidate that could not be evaluated; they are listed at the end.

    Raises:
        ValueError: If there are fewer than two metrics, no row has all of them, or a group is unknown.
        OSError: If the file cannot be written.
    """
    from results.database.frame import select_front  # pandas is slow to import

    axes = _order_axes(metrics)
    points = _select_points(frame, axes)
    trusted = points[points["group"] != "searched"]
    if trusted.empty:
        trusted = points
    if "front" in points:
        best = points[points["front"]].drop(columns="front")
        best = best.sort_values(axes[0].name, ascending=not axes[0].maximize, kind="stable", ignore_index=True)
        points = points.drop(columns="front")
    else:
        best = select_front(trusted, axes)
    values = {
        "title": title,
        "note": note,
        "aims": ", ".join(f"{entry.label}: {state_aim(entry)}" for entry in axes),
        "candidates": len(trusted),
        "kind": _name_kind(trusted),
        "columns": make_columns(best, axes),
        "rows": best.to_dict("records"),
        "failures": failures,
    }
    chart = draw_pareto_chart(points, best, select_front(best, axes[:2]), axes)
    write_page("pareto_page", values, chart, path)


def _order_axes(metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics as drawn: horizontal, vertical, colour, then those that are not drawn."""
    if len(metrics) < 2:
        raise ValueError(f"a Pareto page trades two or more metrics, got {[entry.name for entry in metrics]}")
    vertical = next((entry for entry in metrics if entry.maximize), metrics[1])
    horizontal, *others = [entry for entry in metrics if entry != vertical]
    return [horizontal, vertical, *others]


def _select_points(frame: pd.DataFrame, axes: Sequence[Metric]) -> pd.DataFrame:
    """The evaluations that have all metrics, with their groups."""
    names = [entry.name for entry in axes]
    points = frame.dropna(subset=names) if set(names) <= set(frame.columns) else frame.iloc[:0]
    if points.empty:
        raise ValueError(f"no evaluation has all of {', '.join(names)}; columns: {', '.join(map(str, frame.columns))}")
    points = points.assign(group=points.get("group", "searched"))
    unknown = set(points["group"]) - set(GROUPS)
    if unknown:
        raise ValueError(f"a group is one of {', '.join(GROUPS)}; got {', '.join(map(str, unknown))}")
    return points


def _name_kind(trusted: pd.DataFrame) -> str:
    """What the evaluations that may be on the front are called; exported ones are of a kind before."""
    there = [group for group in GROUPS if (trusted["group"] == group).any()]
    return " and ".join([group for group in there if group != EXPORTED] or there)
