"""A page that compares searchers: the hypervolume that each reached after so many evaluations, over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from results.pages.template import write_page

if TYPE_CHECKING:
    import pandas as pd

_COLOURS = ("#ea580c", "#2563eb", "#16a34a", "#9333ea", "#0891b2", "#ca8a04", "#db2777", "#475569")
_BAND_OPACITY = 0.15
_NOTE = "Hypervolume after so many evaluations: mean over seeds and its 95 % interval; more is better."


def write_curves_page(frame: pd.DataFrame, path: Path, title: str) -> None:
    """Writes the page, making its folder: a curve for each searcher, in a band.

    Args:
        frame: Columns `searcher`, `seed`, `evaluations` and `hypervolume`.
        path: The HTML file to write.
        title: Heading of the page.

    Raises:
        OSError: If the file cannot be written.
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
            opacity=_BAND_OPACITY,
            line_width=0,
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_layout(template="plotly_white", xaxis_title="evaluations", yaxis_title="hypervolume")
    write_page("curves_page", {"title": title, "note": _NOTE}, figure, path)
