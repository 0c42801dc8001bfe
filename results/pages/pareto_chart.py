"""The chart of a Pareto page: all points, those on the front, and the border that the front forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from results.metric import Metric
from results.pages.columns import NORMAL_90, make_columns

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

STYLES = {  # colour, symbol, size and opacity of each group of points; exported ones are drawn over the others
    "searched": ("#94a3b8", "circle", 5, 0.35),
    "measured": ("#64748b", "circle", 6, 0.6),
    "verified": ("#475569", "circle-open", 8, 0.9),
}
EXPORTED = "exported"
_SHOWN_KEY = 8  # digits of a key on the chart; the table has them all
_MANY_POINTS = 5000  # beyond, faint points are drawn by WebGL


def draw_pareto_chart(points: pd.DataFrame, best: pd.DataFrame, border: pd.DataFrame, axes: Sequence[Metric]) -> Figure:
    """Draws the chart: the first metric to the right, the second upwards, the third as colour of the front.

    Args:
        points: All evaluations, with their `group`.
        best: Those on the front in all metrics.
        border: Those of them on the front in the two drawn metrics, in the order of either.
        axes: The metrics, two or more.
    """
    import plotly.graph_objects as go

    x, y = (entry.name for entry in axes[:2])
    figure = go.Figure()
    for group, (colour, symbol, size, opacity) in STYLES.items():
        rows = points[points["group"] == group]
        if len(rows):
            marker = {"color": colour, "symbol": symbol, "size": size, "opacity": opacity}
            scatter = go.Scattergl if len(rows) > _MANY_POINTS else go.Scatter
            shown = {"mode": "markers", "marker": marker, "name": f"{group} ({len(rows)})"}
            figure.add_trace(scatter({"x": rows[x], "y": rows[y], **shown, **_make_hover(rows, axes)}))
    line = {"color": "#dc2626", "width": 1.5, "shape": "hv"}
    outline = {"x": border[x], "y": border[y], "mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(outline))
    bars = {f"error_{axis}": _make_error_bars(best, entry) for axis, entry in zip("xy", axes, strict=False)}
    shown = {"mode": "markers", "marker": _make_front_marker(best, axes), "name": f"Pareto front ({len(best)})"}
    figure.add_trace(go.Scatter({"x": best[x], "y": best[y], **bars, **shown, **_make_hover(best, axes)}))
    chosen = points[points["group"] == EXPORTED]
    if len(chosen):
        marker = {"size": 17, "symbol": "diamond-open", "color": "#ea580c", "line": {"width": 2.5}}
        labels = [escape(str(key)[:_SHOWN_KEY]) for key in chosen["key"]]
        text = {"text": labels, "textposition": "bottom right", "textfont": {"color": "#9a3412", "size": 12}}
        shown = {"mode": "markers+text", "marker": marker, "name": f"{EXPORTED} ({len(chosen)})"}
        figure.add_trace(go.Scatter({"x": chosen[x], "y": chosen[y], **shown, **text, **_make_hover(chosen, axes)}))
    return _lay_out(figure, axes)


def state_aim(entry: Metric) -> str:
    """Which way a metric is better, in words."""
    return "more is better" if entry.maximize else "less is better"


def _make_front_marker(best: pd.DataFrame, axes: Sequence[Metric]) -> dict[str, Any]:
    marker = {"size": 11, "color": "#dc2626", "line": {"color": "#fff", "width": 1}}
    if len(axes) > 2:
        bar = {"title": {"text": escape(axes[2].label), "side": "right"}, "thickness": 14, "outlinewidth": 0}
        marker |= {"color": best[axes[2].name], "colorscale": "Viridis", "showscale": True, "colorbar": bar}
    return marker


def _make_error_bars(rows: pd.DataFrame, entry: Metric) -> dict[str, Any]:
    """90 % intervals of a metric, where its standard deviation is known."""
    if f"{entry.name}_std" not in rows:
        return {"visible": False}
    half = NORMAL_90 * rows[f"{entry.name}_std"]
    least, most = entry.bounds
    above, below = half.clip(upper=most - rows[entry.name]), half.clip(upper=rows[entry.name] - least)
    style = {"color": "rgba(220, 38, 38, 0.45)", "thickness": 1.2, "width": 3}
    return {"type": "data", "array": above.tolist(), "arrayminus": below.tolist(), "symmetric": False, **style}


def _make_hover(rows: pd.DataFrame, axes: Sequence[Metric]) -> Mapping[str, Any]:
    """What a pointer over each of the rows shows; the library that draws it reads it as HTML."""
    key, *columns = make_columns(rows, axes)
    strong = {entry.name for entry in axes}
    texts = []
    for row in rows.to_dict("records"):
        lines = [f"<b>{escape(key.text(row))}</b>"]
        for column in columns:
            if text := escape(column.text(row)):
                lines.append(f"{escape(column.heading)}: " + (f"<b>{text}</b>" if column.name in strong else text))
        texts.append("<br>".join(lines))
    return {"customdata": texts, "hovertemplate": "%{customdata}<extra></extra>"}


def _lay_out(figure: Figure, axes: Sequence[Metric]) -> Figure:
    titles = [{"title": {"text": f"{escape(entry.label)}, {state_aim(entry)}"}} for entry in axes[:2]]
    return figure.update_layout(
        template="plotly_white",
        xaxis=titles[0],
        yaxis=titles[1],
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        margin={"l": 70, "r": 20, "t": 40, "b": 60},
        hoverlabel={"align": "left", "bgcolor": "#fff"},
        font={"family": "system-ui, sans-serif", "color": "#1e293b"},
    )
