"""In: a table of evaluations and the metrics to trade. Out: one HTML page with the Pareto front. Knows no database.

The page holds all it needs, the plotting library included, so that it opens anywhere and can be sent to anyone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.metric import Metric

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_KEY = 8  # digits of a key on the chart; the table has them all
_MANY_POINTS = 5000  # beyond, faint points are drawn by WebGL
_STYLES = {"searched": ("#94a3b8", "circle", 5, 0.35), "verified": ("#475569", "circle-open", 8, 0.9)}
_NUMBERS = ("measured_accuracy", "resolution", "blocks", "mean_weight_bits")
_EXTRA_COLUMNS = (*_NUMBERS, "description", "group", "source", "run", "device")
NORMAL_90 = 1.645  # a normal variable lies within this many standard deviations with probability 0.9
_CHART = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["sendChartToCloud", "select2d", "lasso2d"],  # plotly 7 offers to upload the chart
    "plotlyServerURL": "",
}
_CSS = """
:root { color-scheme: light; }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1.5rem; background: #fff; color: #1e293b;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
p { margin: .3rem 0 1rem; color: #475569; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { padding: .35rem .7rem; text-align: left; border-bottom: 1px solid #e2e8f0; vertical-align: top; }
th { border-bottom: 2px solid #94a3b8; } tbody tr:hover { background: #f1f5f9; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.description { min-width: 17rem; } tr.exported { background: #fff7ed; }
.key { font-family: ui-monospace, Menlo, Consolas, monospace; }
"""


def write_pareto_page(frame: pd.DataFrame, metrics: Sequence[Metric], path: Path, title: str, note: str = "") -> None:
    """Writes the page, making its folder.

    The vertical axis shows the first metric that is maximised (else the second metric), the horizontal axis the first
    of the others, colour the next one; all of them decide what is on the front. If some rows are in the group
    `verified`, the front is made of verified and exported rows only, because searched values may be predictions.

    Args:
        frame: Evaluations as from `ResultsDatabase.frame`: a column `key` and one per metric; rows that lack a metric
            are left out. Optional columns: `description` (text for people), `group` ("searched", "verified" or
            "exported"; searched if absent; exported rows are labelled), the standard deviation of a metric under its
            name and `_std` (the front then shows 90 % intervals), `measured_accuracy` where another accuracy is
            traded, and the others of `ResultsDatabase.frame`.
        metrics: Two or more metrics to trade.
        path: The HTML file to write.
        title: Heading of the page.
        note: What readers are to know of the values.

    Raises:
        ValueError: If there are fewer than two metrics, no row has all of them, or a group is unknown.
        OSError: If the file cannot be written.
    """
    from results.database.frame import select_front  # pandas is slow to import

    if len(metrics) < 2:
        raise ValueError(f"a Pareto page trades two or more metrics, got {[entry.name for entry in metrics]}")
    axes = _axes(metrics)
    names = [entry.name for entry in axes]
    points = frame.dropna(subset=names) if set(names) <= set(frame.columns) else frame.iloc[:0]
    if points.empty:
        raise ValueError(f"no evaluation has all of {', '.join(names)}; columns: {', '.join(map(str, frame.columns))}")
    points = points.assign(group=points.get("group", "searched"))
    unknown = set(points["group"]) - {*_STYLES, "exported"}
    if unknown:
        raise ValueError(f"a group is one of {', '.join(_STYLES)}, exported; got {', '.join(map(str, unknown))}")
    trusted = points[points["group"] != "searched"] if (points["group"] == "verified").any() else points
    kind = "verified" if len(trusted) < len(points) else "recorded"
    best = select_front(trusted, axes)
    chart = _figure(points, best, select_front(best, axes[:2]), axes).to_html(
        full_html=False, include_plotlyjs=True, config=_CHART, default_height="620px"
    )
    aims = ", ".join(f"{entry.label}: {_aim(entry)}" for entry in axes)
    page = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>",
        f"<p>{len(best)} of {len(trusted)} {kind} evaluations are on the Pareto front. {escape(aims)}.</p>",
        *([f"<p>{escape(note)}</p>"] if note else []),
        chart,
        f'<h2>Pareto front</h2>\n<div class="table">{_table(best, axes)}</div>\n</body>\n</html>\n',
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(page), encoding="utf-8")


def _axes(metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics as drawn: horizontal, vertical, colour, then those that are not drawn."""
    vertical = next((entry for entry in metrics if entry.maximize), metrics[1])
    horizontal, *others = [entry for entry in metrics if entry != vertical]
    return [horizontal, vertical, *others]


def _figure(points: pd.DataFrame, best: pd.DataFrame, border: pd.DataFrame, axes: Sequence[Metric]) -> Any:
    """The chart of all points, the front `best` and the border that it forms in the two drawn metrics."""
    import plotly.graph_objects as go

    x, y = (entry.name for entry in axes[:2])
    figure = go.Figure()
    for group, (colour, symbol, size, opacity) in _STYLES.items():
        rows = points[points["group"] == group]
        if len(rows):
            marker = {"color": colour, "symbol": symbol, "size": size, "opacity": opacity}
            scatter = go.Scattergl if len(rows) > _MANY_POINTS else go.Scatter
            shown = {"mode": "markers", "marker": marker, "name": f"{group} ({len(rows)})"}
            figure.add_trace(scatter({"x": rows[x], "y": rows[y], **shown, **_hover(rows, axes)}))
    line = {"color": "#dc2626", "width": 1.5, "shape": "hv"}
    outline = {"x": border[x], "y": border[y], "mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(outline))
    marker = {"size": 11, "color": "#dc2626", "line": {"color": "#fff", "width": 1}}
    if len(axes) > 2:
        bar = {"title": {"text": escape(axes[2].label), "side": "right"}, "thickness": 14, "outlinewidth": 0}
        marker |= {"color": best[axes[2].name], "colorscale": "Viridis", "showscale": True, "colorbar": bar}
    shown = {"mode": "markers", "marker": marker, "name": f"Pareto front ({len(best)})"}
    bars = {f"error_{axis}": _error_bars(best, entry) for axis, entry in zip("xy", axes, strict=False)}
    figure.add_trace(go.Scatter({"x": best[x], "y": best[y], **bars, **shown, **_hover(best, axes)}))
    chosen = points[points["group"] == "exported"]
    if len(chosen):
        marker = {"size": 17, "symbol": "diamond-open", "color": "#ea580c", "line": {"width": 2.5}}
        labels = [escape(str(key)[:_SHOWN_KEY]) for key in chosen["key"]]
        text = {"text": labels, "textposition": "bottom right", "textfont": {"color": "#9a3412", "size": 12}}
        shown = {"mode": "markers+text", "marker": marker, "name": f"exported ({len(chosen)})"}
        figure.add_trace(go.Scatter({"x": chosen[x], "y": chosen[y], **shown, **text, **_hover(chosen, axes)}))
    titles = [{"title": {"text": f"{escape(entry.label)}, {_aim(entry)}"}} for entry in axes[:2]]
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    margin = {"l": 70, "r": 20, "t": 40, "b": 60}
    hover = {"align": "left", "bgcolor": "#fff"}
    figure.update_layout(template="plotly_white", xaxis=titles[0], yaxis=titles[1], legend=legend, margin=margin)
    return figure.update_layout(hoverlabel=hover, font={"family": "system-ui, sans-serif", "color": "#1e293b"})


def _error_bars(rows: pd.DataFrame, entry: Metric) -> dict[str, Any]:
    """90 % intervals of a metric, where its standard deviation is known."""
    if _std(entry) not in rows:
        return {"visible": False}
    half = NORMAL_90 * rows[_std(entry)]
    least, most = (0.0, 100.0) if entry.unit == "%" else (-math.inf, math.inf)  # a share lies between none and all
    above, below = half.clip(upper=most - rows[entry.name]), half.clip(upper=rows[entry.name] - least)
    style = {"color": "rgba(220, 38, 38, 0.45)", "thickness": 1.2, "width": 3}
    return {"type": "data", "array": above.tolist(), "arrayminus": below.tolist(), "symmetric": False, **style}


def _std(entry: Metric) -> str:
    """Name of the column with the standard deviation of a metric."""
    return f"{entry.name}_std"


def _value(row: Mapping[Any, Any], entry: Metric) -> str:
    """The value of a metric, and half of its 90 % interval where that is known."""
    half = NORMAL_90 * row.get(_std(entry), math.nan)
    return _text(row[entry.name]) + ("" if math.isnan(half) else f" ± {half:.2g}")


def _hover(rows: pd.DataFrame, axes: Sequence[Metric]) -> dict[str, Any]:
    """What a pointer over each of the rows shows."""
    shown = [name for name in _EXTRA_COLUMNS if name in rows]
    texts = []
    for row in rows.to_dict("records"):
        values = [f"{escape(entry.label)}: <b>{_value(row, entry)}</b>" for entry in axes]
        extras = [f"{name}: {escape(_text(row[name]))}" for name in shown if row[name] == row[name]]  # but not NaN
        texts.append("<br>".join([f"<b>{escape(str(row['key']))}</b>", *values, *extras]))
    return {"customdata": texts, "hovertemplate": "%{customdata}<extra></extra>"}


def _table(rows: pd.DataFrame, axes: Sequence[Metric]) -> str:
    shown = [name for name in _EXTRA_COLUMNS if name in rows]
    numeric = {entry.name for entry in axes} | {*_NUMBERS}
    heads = {"key": "key"} | {entry.name: entry.label for entry in axes}
    heads |= {name: name.replace("_", " ") for name in shown}
    style = {name: "number" if name in numeric else name for name in heads}
    head = "".join(f'<th class="{style[name]}">{escape(label)}</th>' for name, label in heads.items())
    lines = []
    for row in rows.to_dict("records"):
        texts = {name: _text(row[name]) for name in heads} | {entry.name: _value(row, entry) for entry in axes}
        cells = "".join(f'<td class="{style[name]}">{escape(text)}</td>' for name, text in texts.items())
        lines.append(f'<tr class="{escape(str(row["group"]))}">{cells}</tr>')
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>\n</table>"


def _aim(entry: Metric) -> str:
    return "more is better" if entry.maximize else "less is better"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)
