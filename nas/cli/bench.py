"""The command that compares searchers.

In: the file of a contest. Out: a call of `nas.jobs.comparison.compare`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("bench", help="Compare searchers at equal numbers of evaluations, with seeds.")(_bench)


def _bench(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The contest, a YAML file; see docs/search.md.")],
    runs: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs"),
    workers: Annotated[int, typer.Option(min=1, help="Searchers that run at the same time.")] = 1,
    data: Annotated[str | None, typer.Option(help="Images of the job, instead of its data.source.")] = None,
) -> None:
    from nas.cli.console import open_console
    from nas.jobs.comparison.compare import bench
    from nas.jobs.console.reporter import Reporter

    bench(file, runs, workers, Reporter(open_console()), data)
