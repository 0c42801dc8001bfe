"""What a job leaves for people: one table on the console and one page.

In: exported networks and the database. Out: text and a file. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.table import Table

from nas.files import atomic_write
from nas.jobs.stages.front import VerifiedFront
from nas.jobs.workspace import Workspace
from results.description import describe
from results.metric import METRICS
from results.pages.columns import NORMAL_90
from results.pages.pareto_page import write_pareto_page

Columns = Mapping[str, tuple[str, str]]  # heading and format, by name of the column

_COLUMNS: Columns = {
    "role": ("network", "{}"),
    "predicted_accuracy": ("accuracy %\npredicted", "{:.2f}"),
    "expected": ("accuracy %\nexpected", "{}"),
    "measured_accuracy": ("accuracy %\nmeasured", "{:.2f}"),
    "test_accuracy": ("accuracy %\ntest", "{:.2f}"),
    "predicted_latency_ms": ("latency ms\npredicted", "{:.4f}"),
    "measured_latency_ms": ("latency ms\nmeasured", "{:.4f}"),
    "weight_bytes": ("weights\nbytes", "{:,.0f}"),
    "file": ("file", "{}"),
}


def summarize(workspace: Workspace, front: VerifiedFront, networks: pd.DataFrame, folder: Path) -> Path:
    """Prints the table of exported networks, and writes the Pareto page beside them.

    Args:
        workspace: The job.
        front: The verified front.
        networks: The exported networks, as `nas.jobs.stages.export.export` gives them.
        folder: Where they are.

    Returns:
        The page.
    """
    error = front.latency_error_percent
    trust = "of unknown error" if error is None else f"within {error:.1f} % on average"
    images = len(workspace.data.validation)
    caption = (
        "expected accuracy is of new images, given all measurements, with its 90 % interval; measured accuracy is on "
        f"{images:,} validation images; predicted latencies are {trust}; "
        "test accuracy and measured latency are of the ONNX file in onnxruntime"
    )
    halves = NORMAL_90 * networks["accuracy_std"]
    intervals = [f"{mean:.1f} ± {half:.1f}" for mean, half in zip(networks["expected_accuracy"], halves, strict=True)]
    shown = networks.assign(expected=intervals)
    columns = {name: column for name, column in _COLUMNS.items() if not shown[name].isna().all()}
    workspace.reporter.console.print(networks_table(shown, columns, caption))
    page = folder / "pareto.html"
    metrics = [METRICS[name] for name in ("expected_accuracy", "latency_ms", "weight_bytes")]
    title = f"{workspace.job.name}: predicted latencies are {trust}"
    with atomic_write(page) as draft:
        write_pareto_page(_points(workspace, front, set(networks["key"])), metrics, draft, title, _note(images))
    workspace.reporter.say(f"files    {folder}\npage     {page}")
    return page


def _note(images: int) -> str:
    return (
        "Expected accuracy is that on new images: its posterior mean, given all measurements. Measured accuracy is on "
        f"the same {images:,} validation images for all, and a search finds those that are lucky there. Bars and ± "
        "show 90 % intervals: so probable is it that the accuracy on new images lies within."
    )


def networks_table(networks: pd.DataFrame, columns: Columns, caption: str) -> Table:
    """The chosen columns of networks as a table for a console."""
    table = Table(caption=caption)
    for name, (heading, _) in columns.items():
        table.add_column(heading, justify="left" if name in ("role", "file") else "right", overflow="fold")
    for row in networks[list(columns)].itertuples(index=False):
        cells = zip(row, columns.values(), strict=True)
        table.add_row(*("-" if pd.isna(cell) else form.format(cell) for cell, (_, form) in cells))
    return table


def _points(workspace: Workspace, front: VerifiedFront, exported: set[str]) -> pd.DataFrame:
    """Every point of the page: searched by prediction or measurement, verified on the supernet, exported."""
    evaluations = workspace.database.evaluations(front.search_run)
    searched = pd.DataFrame([entry.values for entry in evaluations])
    searched["key"] = [entry.candidate.key for entry in evaluations]
    searched["description"] = [describe(entry.candidate) for entry in evaluations]
    searched["group"] = "searched"
    if front.searched_accuracy is None:
        searched = searched.rename(columns={"accuracy": "expected_accuracy"})
    else:
        searched = searched.rename(columns={"accuracy": "measured_accuracy"})
        searched["expected_accuracy"] = front.searched_accuracy
    verified = [_point(front, row, exported) for row in range(len(front.population))]
    return pd.concat([searched, pd.DataFrame(verified)], ignore_index=True)


def _point(front: VerifiedFront, row: int, exported: set[str]) -> dict[str, object]:
    candidate = front.population[row]
    return {
        "expected_accuracy": front.expected_accuracy[row],
        "expected_accuracy_std": front.accuracy_std[row],
        "measured_accuracy": front.measured_accuracy[row],
        "latency_ms": front.latency_ms[row],
        "weight_bytes": front.weight_bytes[row],
        "key": candidate.key,
        "description": describe(candidate),
        "group": "exported" if candidate.key in exported else "verified",
    }
