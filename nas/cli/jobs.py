"""Commands that carry out a job: `train`, `profile`, `fit`, `search`, `export` and `run`.

In: a job file and where to put what it makes. Out: calls of `nas.jobs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nas.jobs.workspace import Workspace

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job, a YAML file.")]
Data = Annotated[str | None, typer.Option(help="Use these images instead of data.source of the job.")]
Runs = Annotated[Path, typer.Option(help="Folder of all runs.")]
Database = Annotated[str | None, typer.Option(help="URL of the results database; default: results.db in --runs.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes (with Ray: actors) that measure candidates.")]
Ray = Annotated[bool, typer.Option("--ray", help="Measure in Ray actors on this machine.")]
RayAddress = Annotated[str | None, typer.Option(help="Measure in Ray actors of this cluster (auto or host:port).")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    for command in (run, train, profile, fit, search, export):
        app.command()(command)


def run(
    job: JobFile,
    data: Data = None,
    runs: Runs = Path("runs"),
    database: Database = None,
    workers: Workers = 1,
    ray: Ray = False,
    ray_address: RayAddress = None,
) -> None:
    """Carry out the whole job; what is done already is not done again."""
    from nas.jobs.run import run as run_job

    run_job(_workspace(job, data, runs, database, workers, ray, ray_address))


def train(job: JobFile, data: Data = None, runs: Runs = Path("runs")) -> None:
    """Train the supernet."""
    from nas.jobs.train import train as train_supernet

    train_supernet(_workspace(job, data, runs))


def profile(job: JobFile, data: Data = None, runs: Runs = Path("runs")) -> None:
    """Measure the latency table of this machine."""
    from nas.jobs.profile import profile as profile_machine

    profile_machine(_workspace(job, data, runs))


def fit(
    job: JobFile,
    data: Data = None,
    runs: Runs = Path("runs"),
    database: Database = None,
    workers: Workers = 1,
    ray: Ray = False,
    ray_address: RayAddress = None,
) -> None:
    """Measure candidates and fit the accuracy predictor."""
    from nas.jobs.fit import fit as fit_predictor
    from nas.jobs.train import trained_checkpoint

    workspace = _workspace(job, data, runs, database, workers, ray, ray_address)
    fit_predictor(workspace, trained_checkpoint(workspace))


def search(
    job: JobFile,
    data: Data = None,
    runs: Runs = Path("runs"),
    database: Database = None,
    workers: Workers = 1,
    ray: Ray = False,
    ray_address: RayAddress = None,
) -> None:
    """Search on predictions, and verify the front on the supernet."""
    from nas.jobs.run import search_front

    search_front(_workspace(job, data, runs, database, workers, ray, ray_address))


def export(job: JobFile, data: Data = None, runs: Runs = Path("runs"), database: Database = None) -> None:
    """Export networks of the front to ONNX, and run them in onnxruntime."""
    from nas.jobs.run import finish

    finish(_workspace(job, data, runs, database))


def _workspace(
    job: Path,
    data: str | None,
    runs: Path,
    database: str | None = None,
    workers: int = 1,
    ray: bool = False,
    ray_address: str | None = None,
) -> Workspace:
    from nas.cli.console import open_console
    from nas.jobs.job import load_job
    from nas.jobs.reporter import Reporter
    from nas.jobs.workspace import Workspace

    address = ray_address or ("local" if ray else None)
    return Workspace(load_job(job, data), runs, database, Reporter(open_console()), workers, address)
