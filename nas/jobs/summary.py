"""What a job leaves for people: one table on the console, one CSV file, one page.

In: exported networks and the database. Out: text and files. Measures nothing.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.table import Table

from nas.jobs.export import ExportedNetwork
from nas.jobs.search import VerifiedFront
from nas.jobs.workspace import Workspace
from results.metric import METRICS
from results.report import describe, write_pareto_page


def summarize(workspace: Workspace, front: VerifiedFront, exported: list[ExportedNetwork]) -> Path:
    """Prints the table of exported networks and writes it, and the Pareto page, beside the ONNX files.

    Returns:
        The page.
    """
    workspace.reporter.console.print(_table(exported))
    folder = exported[0].file.parent
    _csv(exported).to_csv(folder / "networks.csv", index=False)
    page = folder / "pareto.html"
    metrics = [METRICS[name] for name in ("accuracy", "latency_ms", "weight_bytes")]
    write_pareto_page(_points(workspace, front, exported), metrics, page, f"nas: {workspace.job.name}")
    workspace.reporter.say(f"files    {folder}\npage     {page}")
    return page


def _table(exported: list[ExportedNetwork]) -> Table:
    table = Table(
        caption="measured accuracy: validation images; test accuracy and latency: the ONNX file in onnxruntime"
    )
    table.add_column("network")
    for heading in (
        "accuracy %\npredicted",
        "\nmeasured",
        "\ntest",
        "latency ms\npredicted",
        "\nmeasured",
        "size KiB\nweights",
    ):
        table.add_column(heading, justify="right")
    table.add_column("file", overflow="fold")
    for network in exported:
        table.add_row(
            network.role,
            f"{network.predicted_accuracy:.2f}",
            f"{network.measured_accuracy:.2f}",
            f"{network.test_accuracy:.2f}",
            f"{network.predicted_latency_ms:.4f}",
            f"{network.measured_latency_ms:.4f}",
            f"{network.weight_bytes / 1024:.1f}",
            network.file.name,
        )
    return table


def _csv(exported: list[ExportedNetwork]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "role": network.role,
            "key": network.candidate.key,
            "predicted_accuracy": network.predicted_accuracy,
            "measured_accuracy": network.measured_accuracy,
            "test_accuracy": network.test_accuracy,
            "predicted_latency_ms": network.predicted_latency_ms,
            "measured_latency_ms": network.measured_latency_ms,
            "weight_bytes": network.weight_bytes,
            "file": network.file.name,
        }
        for network in exported
    )


def _points(workspace: Workspace, front: VerifiedFront, exported: list[ExportedNetwork]) -> pd.DataFrame:
    """Every point of the page: searched by prediction, verified on the supernet, exported."""
    searched = [
        {**entry.values, "key": entry.candidate.key, "description": describe(entry.candidate), "group": "searched"}
        for entry in workspace.database.evaluations(front.search_run)
    ]
    chosen = {network.candidate.key for network in exported}
    verified = [_point(front, row, chosen) for row in range(len(front.population))]
    return pd.DataFrame([*searched, *verified])


def _point(front: VerifiedFront, row: int, exported: set[str]) -> dict[str, object]:
    candidate = front.population[row]
    return {
        "accuracy": front.measured_accuracy[row],
        "latency_ms": front.latency_ms[row],
        "weight_bytes": front.weight_bytes[row],
        "key": candidate.key,
        "description": describe(candidate),
        "group": "exported" if candidate.key in exported else "verified",
    }
