"""Commands that carry out a job: `run`, and one for each of its stages.

In: a job file and where to put what it makes. Out: calls of `nas.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job, a YAML file.")]
Data = Annotated[str | None, typer.Option(help="Use these images instead of data.source of the job.")]
Runs = Annotated[Path, typer.Option(help="Folder of all runs.")]
Database = Annotated[str | None, typer.Option(help="URL of the results database; default: results.db in --runs.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes (with Ray: actors) that measure candidates.")]
Ray = Annotated[bool, typer.Option("--ray", help="Measure in Ray actors on this machine.")]
RayAddress = Annotated[str | None, typer.Option(help="Measure in Ray actors of this cluster (auto or host:port).")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the program; `nas.jobs.run.STAGES` has the stage of every name."""
    app.command("run", help="Carry out the whole job; what is done already is not done again.")(_measuring("run"))
    app.command("train", help="Train the supernet.")(_working_alone("train"))
    app.command("profile", help="Measure the latency table of this machine.")(_working_alone("profile"))
    app.command("fit", help="Measure candidates and fit the accuracy predictor.")(_measuring("fit"))
    app.command("search", help="Search on predictions, and verify the front on the supernet.")(_measuring("search"))
    app.command("export", help="Export networks of the front to ONNX, and run them there.")(_measuring("export"))


def _working_alone(stage: str) -> Callable[..., None]:
    """A command that neither measures candidates nor stores evaluations."""

    def command(job: JobFile, data: Data = None, runs: Runs = Path("runs")) -> None:
        _carry_out(stage, job, data, runs)

    return command


def _measuring(stage: str) -> Callable[..., None]:
    """A command that may measure candidates, on workers, and stores evaluations."""

    def command(
        job: JobFile,
        data: Data = None,
        runs: Runs = Path("runs"),
        database: Database = None,
        workers: Workers = 1,
        ray: Ray = False,
        ray_address: RayAddress = None,
    ) -> None:
        _carry_out(stage, job, data, runs, database, workers, ray_address or ("local" if ray else None))

    return command


def _carry_out(
    stage: str,
    job: Path,
    data: str | None,
    runs: Path,
    database: str | None = None,
    workers: int = 1,
    ray_address: str | None = None,
) -> None:
    from nas.cli.console import open_console
    from nas.files import alone_in
    from nas.jobs.job import load_job
    from nas.jobs.reporter import Reporter
    from nas.jobs.run import STAGES
    from nas.jobs.workspace import Workspace

    loaded = load_job(job, data)
    workspace = Workspace(loaded, runs, database, Reporter(open_console()), workers, ray_address)
    with alone_in(runs / loaded.name), workspace:
        STAGES[stage](workspace)
