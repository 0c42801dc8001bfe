"""Commands that carry out a job: `run`, and one for each of its stages.

In: a job file and where to put what it makes. Out: calls of `nas.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

COMMANDS = {
    "run": "Carry out the whole job; what is done already is not done again.",
    "train": "Train the supernet.",
    "profile": "Measure the latency table of this machine.",
    "fit": "Measure candidates and fit the accuracy predictor.",
    "search": "Search on predictions, and verify the front on the supernet.",
    "export": "Export networks of the front to ONNX, and run them in onnxruntime.",
}

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job, a YAML file.")]
Data = Annotated[str | None, typer.Option(help="Use these images instead of data.source of the job.")]
Runs = Annotated[Path, typer.Option(help="Folder of all runs.")]
Database = Annotated[str | None, typer.Option(help="URL of the results database; default: results.db in --runs.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes (with Ray: actors) that measure candidates.")]
Ray = Annotated[bool, typer.Option("--ray", help="Measure in Ray actors on this machine.")]
RayAddress = Annotated[str | None, typer.Option(help="Measure in Ray actors of this cluster (auto or host:port).")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    for name, purpose in COMMANDS.items():
        app.command(name, help=purpose)(_command(name))


def _command(name: str) -> Callable[..., None]:
    """A command of that name; all take the same options."""

    def command(
        job: JobFile,
        data: Data = None,
        runs: Runs = Path("runs"),
        database: Database = None,
        workers: Workers = 1,
        ray: Ray = False,
        ray_address: RayAddress = None,
    ) -> None:
        from nas.cli.console import open_console
        from nas.jobs.job import load_job
        from nas.jobs.reporter import Reporter
        from nas.jobs.run import STAGES
        from nas.jobs.workspace import Workspace

        address = ray_address or ("local" if ray else None)
        reporter = Reporter(open_console())
        STAGES[name](Workspace(load_job(job, data), runs, database, reporter, workers, address))

    return command
