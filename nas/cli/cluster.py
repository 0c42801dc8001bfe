"""Commands for jobs on a Ray cluster, which is named by the address of its dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.database_option import database_option
from nas.cli.options import CandidateKey, Preset, takes
from nas.cluster import MOST_WORKERS

if TYPE_CHECKING:
    from nas.jobs.cluster.jobs_api import Cluster

Address = Annotated[
    str, typer.Option(envvar="RAY_ADDRESS", help="The cluster's dashboard; its token is read from RAY_AUTH_TOKEN.")
]
_LOCAL = "http://127.0.0.1:8265"

app = typer.Typer(no_args_is_help=True, help="Jobs that were submitted to a Ray cluster.")


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """The arguments and options of `nas submit`."""

    job: Annotated[Path, typer.Argument(metavar="JOB", help="The job, a YAML file.")]
    address: Address = _LOCAL
    data: Annotated[str | None, typer.Option(help="Use these images instead of data.source of the job.")] = None
    ship_data: Annotated[
        bool, typer.Option("--ship-data", help="Send the images along; else the cluster has them.")
    ] = False
    shared_files: Annotated[
        bool, typer.Option("--shared-files", help="Send no files: the cluster sees them at the same paths.")
    ] = False
    runs: Annotated[str, typer.Option(help="Folder of all runs on the cluster.")] = "$HOME/nas/runs"
    database: Annotated[
        str | None,
        database_option(
            "URL of the results database, as the cluster sees it; default: NAS_DATABASE there, or results.db in --runs."
        ),
    ] = None
    workers: Annotated[int, typer.Option(min=1, max=MOST_WORKERS, help="Ray actors that train and measure.")] = 1
    gpus_per_worker: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of a GPU on which each measures; 0 is its CPU.")
    ] = 0.0
    compress: Annotated[bool, typer.Option("--compress", help="Let the cluster run nas compress, not nas run.")] = False
    preset: Preset = None
    candidate: CandidateKey = None


@dataclass(frozen=True, kw_only=True)
class SubmittedJob:
    """The arguments and options of the commands on a submitted job."""

    job: Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as nas submit printed it.")]
    address: Address = _LOCAL


def register(program: typer.Typer) -> None:
    """Adds the commands to the program."""
    program.command("submit", help="Run a job on a Ray cluster; prints its id.")(_submit)
    program.add_typer(app, name="jobs")


@takes(SubmitOptions)
def _submit(options: SubmitOptions) -> None:
    from nas.jobs.cluster.submission import Compression, RemoteOptions, prepare_submission
    from nas.jobs.files.job import load_job

    if not options.compress and (options.preset or options.candidate):
        raise ValueError("--preset and --candidate are options of nas compress; add --compress")
    job = load_job(options.job, options.data)
    compression = Compression(options.preset, options.candidate) if options.compress else None
    remote = RemoteOptions(
        options.runs, options.database, options.workers, options.gpus_per_worker, options.shared_files, compression
    )
    typer.echo(_cluster(options.address).submit(prepare_submission(job, remote, options.ship_data)))


@app.command("list")
def list_jobs(address: Address = _LOCAL) -> None:
    """List the jobs, oldest first."""
    for job in _cluster(address).jobs():
        typer.echo(f"{job['id']}  {job['status']}  {job['message']}".rstrip())


@app.command()
@takes(SubmittedJob)
def logs(options: SubmittedJob) -> None:
    """Print the output of a job so far."""
    typer.echo(_cluster(options.address).logs(options.job), nl=False)


@app.command()
@takes(SubmittedJob)
def stop(options: SubmittedJob) -> None:
    """Stop a job; resume continues it."""
    _cluster(options.address).stop(options.job)


@app.command()
@takes(SubmittedJob)
def resume(options: SubmittedJob) -> None:
    """Continue a job that was stopped, failed or finished, where it ended, with what the cluster still has of it."""
    typer.echo(_cluster(options.address).resume(options.job))


def _cluster(address: str) -> Cluster:
    from nas.jobs.cluster.jobs_api import Cluster

    return Cluster(address)
