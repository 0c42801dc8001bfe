"""What a job leaves for people: one table on the console, one CSV file, one page.

In: exported networks and the database. Out: text and files. Measures nothing.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
from rich.table import Table

from nas.jobs.export import ExportedNetwork
from nas.jobs.search import VerifiedFront
from nas.jobs.workspace import Workspace
from results.metric import METRICS
from results.report import write_pareto_page
from search_spaces.candidate import Candidate, ConvBlock


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


def describe(candidate: Candidate) -> str:
    """A candidate in one line: input, blocks of every stage, and how many layers have which policy."""
    stages = [
        " ".join(
            f"{block.width}k{block.kernel_size}e{block.expand_ratio:g}" if isinstance(block, ConvBlock) else str(block)
            for block in stage
        )
        for stage in candidate.architecture.stages
    ]
    policies = Counter(str(policy) for policy in candidate.policy.layers)
    bits = ", ".join(f"{count} layers {policy}" for policy, count in sorted(policies.items()))
    return f"{candidate.architecture.resolution}px | {' | '.join(stages)} | {bits}"


def _table(exported: list[ExportedNetwork]) -> Table:
    table = Table(title="exported networks", caption="accuracy: predicted, measured on validation images, and of the "
                  "ONNX file on test images; latency: batch 1, one thread")
    for heading, justify in (
        ("network", "left"),
        ("predicted %", "right"),
        ("measured %", "right"),
        ("ONNX test %", "right"),
        ("predicted ms", "right"),
        ("measured ms", "right"),
        ("KiB", "right"),
        ("file", "left"),
    ):
        table.add_column(heading, justify="left" if justify == "left" else "right", overflow="fold")
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
    verified = [
        _point(front, row, "verified") for row in range(len(front.population))
    ]
    rows = {front.population[row].key: row for row in range(len(front.population))}
    chosen = [_point(front, rows[network.candidate.key], "exported") for network in exported]
    return pd.DataFrame([*searched, *verified, *chosen])


def _point(front: VerifiedFront, row: int, group: str) -> dict[str, object]:
    candidate = front.population[row]
    return {
        "accuracy": front.measured_accuracy[row],
        "latency_ms": front.latency_ms[row],
        "weight_bytes": front.weight_bytes[row],
        "key": candidate.key,
        "description": describe(candidate),
        "group": group,
    }
