"""Writes pages from the templates of this folder; all text is escaped, charts are embedded with all they need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_TEMPLATES = Environment(
    loader=PackageLoader("results.pages"),
    autoescape=True,
    undefined=StrictUndefined,  # a value that is missing is an error, not an empty place
    trim_blocks=True,
    lstrip_blocks=True,
)
_CHART = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["sendChartToCloud", "select2d", "lasso2d"],  # plotly 7 offers to upload the chart
    "plotlyServerURL": "",
}


def write_page(template: str, values: Mapping[str, object], chart: Figure, path: Path) -> None:
    """Writes a page with one chart, making its folder.

    Args:
        template: Name of the template, such as `pareto_page`.
        values: What it shows besides the chart, by name; `title` is the heading.
        chart: The chart. The library that draws it goes into the page, so that it opens anywhere.
        path: The HTML file to write.

    Raises:
        OSError: If the file cannot be written.
    """
    drawn = chart.to_html(full_html=False, include_plotlyjs=True, config=_CHART, default_height="620px")
    page = _TEMPLATES.get_template(f"{template}.html.jinja")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.render(values, chart=drawn), encoding="utf-8")
