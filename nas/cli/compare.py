"""The command that compares searchers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.ending import running_job
from nas.cli.options import DEFAULT_RUNS, Runs
from nas.cluster import MOST_WORKERS
from nas.interruption import resumable


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("compare", help="Compare searchers at equal numbers of evaluations, with seeds.")(_compare)


def _compare(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The comparison, a YAML file; see docs/search.md.")],
    runs: Runs = DEFAULT_RUNS,
    workers: Annotated[int, typer.Option(min=1, max=MOST_WORKERS, help="Searchers that run at the same time.")] = 1,
    data: Annotated[str | None, typer.Option(help="Images of the job, instead of its data.source.")] = None,
) -> None:
    from nas.cli.console import open_console
    from nas.jobs.comparison.compare import ComparisonPaths, compare
    from nas.jobs.console.reporter import Reporter

    with running_job(), resumable():
        compare(ComparisonPaths(file, runs, data), workers, Reporter(open_console()))
