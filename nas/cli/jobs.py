"""Commands that carry out a job: `run`, and one for each of its stages.

In: a job file and where to put what it makes. Out: calls of `nas.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nas.jobs.workspace import Workspace

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job, a YAML file.")]
Data = Annotated[str | None, typer.Option(help="Use these images instead of data.source of the job.")]
Runs = Annotated[Path, typer.Option(help="Folder of all runs.")]
Database = Annotated[str | None, typer.Option(help="URL of the results database; default: results.db in --runs.")]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes that measure candidates; with Ray: that train and measure.")
]
TrainingWorkers = Annotated[int, typer.Option(min=1, help="With Ray: workers that share every batch; else only 1.")]
Ray = Annotated[bool, typer.Option("--ray", help="Let the workers be Ray's, on this machine.")]
RayAddress = Annotated[str | None, typer.Option(help="Let the workers be those of this Ray cluster (auto, host:port).")]

GpusPerWorker = Annotated[
    float, typer.Option(min=0.0, help="With Ray: share of a GPU on which each worker measures; 0 is its CPU.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the program; `nas.jobs.run.STAGES` has the stages that need the job only."""
    app.command("run", help="Carry out the whole job; what is done already is not done again.")(_measuring("run"))
    app.command("train", help="Train the supernet.")(_train)
    app.command("profile", help="Measure the latency table of this machine, or of a node of a Ray cluster.")(_profile)
    app.command("fit", help="Measure candidates and fit the accuracy predictor.")(_measuring("fit"))
    app.command("search", help="Search on predictions, and verify the front on the supernet.")(_measuring("search"))
    app.command("export", help="Export networks of the front to ONNX, and run them there.")(_measuring("export"))
    app.command("finetune", help="Train one candidate further, with its bits, and export it to ONNX.")(_finetune)


def _train(
    job: JobFile,
    data: Data = None,
    runs: Runs = Path("runs"),
    workers: TrainingWorkers = 1,
    ray: Ray = False,
    ray_address: RayAddress = None,
) -> None:
    address = _address(ray, ray_address)
    if workers > 1 and address is None:
        raise ValueError(
            f"--workers {workers} needs --ray or --ray-address to train; without Ray one process trains on all threads"
        )
    from nas.jobs.stages.train import train

    with _opened(job, data, runs, None, workers, address) as workspace:
        train(workspace)


def _profile(
    job: JobFile,
    data: Data = None,
    runs: Runs = Path("runs"),
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster whose node is measured (auto, host:port); with --resource.")
    ] = None,
    resource: Annotated[
        str | None, typer.Option(help="Measure the node of the Ray cluster that offers this resource.")
    ] = None,
) -> None:
    from nas.jobs.stages.profile import profile

    if ray_address is not None and resource is None:
        raise ValueError("--ray-address needs --resource, the name of what the node to be profiled offers")
    with _opened(job, data, runs, ray_address=ray_address) as workspace:
        profile(workspace, resource)


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
        gpus_per_worker: GpusPerWorker = 0.0,
    ) -> None:
        from nas.jobs.run import STAGES

        address = _address(ray, ray_address)
        with _opened(job, data, runs, database, workers, address, gpus_per_worker) as workspace:
            STAGES[stage](workspace)

    return command


def _finetune(
    job: JobFile,
    key: Annotated[str, typer.Argument(metavar="KEY", help="First digits of its key; see: nas results pareto.")],
    epochs: Annotated[float, typer.Option(help="Passes over the training images.")] = 2.0,
    learning_rate: Annotated[float, typer.Option(help="At the start; it falls to 0.")] = 0.01,
    data: Data = None,
    runs: Runs = Path("runs"),
    database: Database = None,
) -> None:
    from nas.jobs.stages.finetune import finetune

    with _opened(job, data, runs, database) as workspace:
        finetune(workspace, key, epochs, learning_rate)


def _address(ray: bool, ray_address: str | None) -> str | None:
    """As `nas.jobs.workspace.Workspace` takes it."""
    return ray_address or ("local" if ray else None)


@contextmanager
def _opened(
    job: Path,
    data: str | None,
    runs: Path,
    database: str | None = None,
    workers: int = 1,
    ray_address: str | None = None,
    gpus_per_worker: float = 0.0,
) -> Iterator[Workspace]:
    """The workspace of a job file, held by this process alone."""
    from nas.cli.console import open_console
    from nas.files import folder_lock
    from nas.jobs.console.reporter import Reporter
    from nas.jobs.files.job import load_job
    from nas.jobs.workspace import Workspace

    loaded = load_job(job, data)
    workspace = Workspace(loaded, runs, database, Reporter(open_console()), workers, ray_address, gpus_per_worker)
    with folder_lock(runs / loaded.name), workspace:
        yield workspace
