"""In: hypervolumes of searchers after numbers of evaluations. Out: one HTML page with a curve and a band for each."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_COLOURS = ("#ea580c", "#2563eb", "#16a34a", "#9333ea", "#0891b2", "#ca8a04", "#db2777", "#475569")
_BAND = 0.15  # opacity


def write_curves_page(frame: pd.DataFrame, path: Path, title: str) -> None:
    """Writes the page, self-contained.

    Args:
        frame: Columns `searcher`, `seed`, `evaluations` and `hypervolume`.
        path: The HTML file to write.
        title: Heading of the page.
    """
    import plotly.graph_objects as go
    from scipy.stats import t

    figure = go.Figure()
    for number, (name, rows) in enumerate(frame.groupby("searcher", sort=False)):
        grouped = rows.groupby("evaluations")["hypervolume"]
        mean, count = grouped.mean(), grouped.count()
        half = t.ppf(0.975, count - 1) * grouped.std() / count**0.5
        colour = _COLOURS[number % len(_COLOURS)]
        figure.add_scatter(x=mean.index, y=mean, name=str(name), mode="lines+markers", line_color=colour)
        figure.add_scatter(
            x=[*mean.index, *mean.index[::-1]],
            y=[*(mean + half), *(mean - half)[::-1]],
            fill="toself",
            fillcolor=colour,
            opacity=_BAND,
            line_width=0,
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_layout(
        template="plotly_white",
        title=f"{escape(title)}<br><sub>hypervolume, mean and 95 % interval; more is better</sub>",
        xaxis_title="evaluations",
        yaxis_title="hypervolume",
    )
    figure.write_html(path, include_plotlyjs=True, config={"displaylogo": False, "responsive": True})
