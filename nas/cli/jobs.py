"""Commands that run a job: `run` for all of it, and one for each of its stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from nas.cli.database_option import check_command_line
from nas.cli.ending import running_job
from nas.cli.options import (
    CompressOptions,
    ExportOptions,
    FinetuneOptions,
    JobOptions,
    MeasuringOptions,
    ProfileOptions,
    SensitivityOptions,
    TrainOptions,
    takes,
)
from nas.interruption import resumable

if TYPE_CHECKING:
    from pathlib import Path

    from nas.jobs.execution import Workers
    from nas.jobs.files.job import Job
    from nas.jobs.stages.candidate_export import ExportRequest
    from nas.jobs.stages.found_network import FoundNetwork
    from nas.jobs.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command("run", help="Carry out the whole job; what is done already is not done again.")(_measuring("run"))
    app.command("compress", help="Compress a trained network: find the best policies, widths and blocks.")(_compress)
    app.command("sensitivity", help="Compare sensitivity metrics on a trained network: are they right, at what cost?")(
        _sensitivity
    )
    app.command("data", help="Show what the data of the job hold: classes, sizes, what may be wrong, and a picture.")(
        _data
    )
    app.command("train", help="Train the supernet, or store the network that the job brings.")(_train)
    app.command("profile", help="Measure the latency table of this machine, or of a node of a Ray cluster.")(_profile)
    app.command("fit", help="Measure candidates and fit the predictors of what is measured.")(_measuring("fit"))
    app.command("search", help="Search, and say what the front is expected to be.")(_measuring("search"))
    app.command("export", help="Export networks of a job's front, or any candidate, to ONNX, and run them there.")(
        _export
    )
    app.command("finetune", help="Train one candidate further, with its bits, and export it to ONNX.")(_finetune)


@takes(JobOptions)
def _data(options: JobOptions) -> None:
    from nas.jobs.execution import Workers
    from nas.jobs.run import show_data

    with _opened(options, Workers()) as workspace:
        show_data(workspace)


@takes(TrainOptions)
def _train(options: TrainOptions) -> None:
    from nas.jobs.execution import Workers
    from nas.jobs.run import train_job

    address = _address(options.ray, options.ray_address)
    if options.workers != 1 and address is None:
        raise ValueError(
            f"--workers {options.workers} needs --ray or --ray-address to train; without Ray one process trains on all "
            "threads"
        )
    with _opened(options, Workers(options.workers, address)) as workspace:
        train_job(workspace)


@takes(ProfileOptions)
def _profile(options: ProfileOptions) -> None:
    from nas.jobs.execution import Workers
    from nas.jobs.run import profile_job, refine_job

    if options.exported and options.resource is not None:
        raise ValueError("--exported refines the table of this machine, and --resource measures a node; leave one out")
    if options.ray_address is not None and options.resource is None:
        raise ValueError("--ray-address needs --resource, the name of what the node to be profiled offers")
    with _opened(options, Workers(ray_address=options.ray_address)) as workspace:
        if options.exported:
            refine_job(workspace)
        else:
            profile_job(workspace, options.resource)


def _measuring(name: str) -> Callable[..., None]:
    """The command of a name in `nas.jobs.run.MEASURING_COMMANDS`: it may measure candidates, on workers."""

    @takes(MeasuringOptions)
    def command(options: MeasuringOptions) -> None:
        from nas.jobs.run import MEASURING_COMMANDS

        with _measured_by_workers(options) as workspace:
            MEASURING_COMMANDS[name](workspace)

    return command


@takes(ExportOptions)
def _export(options: ExportOptions) -> None:
    from nas.jobs.execution import Workers
    from nas.jobs.export_candidate import choose_target, export_candidate_job, find_job, names_job
    from nas.jobs.run import MEASURING_COMMANDS

    if names_job(str(options.job)):
        options.check_job_alone()
        with _measured_by_workers(options) as workspace:
            MEASURING_COMMANDS["export"](workspace)
        return
    options.check_key_alone()
    request, found = _read_request(options), _find_network(options)
    restored = find_job(found, options.runs, options.job_file, options.data)
    if options.runtime is None:
        request = replace(request, target=choose_target(restored.job, request.target))
    with _opened_job(restored.job, options.runs, Workers(), options.database, restored.network) as workspace:
        export_candidate_job(workspace, found, request)


def _read_request(options: ExportOptions) -> ExportRequest:
    """What a candidate is to be exported as."""
    from nas.export.target import ExportTarget
    from nas.jobs.stages.candidate_export import ExportRequest

    target = ExportTarget.parse(options.runtime or "onnxruntime>=1.20", options.opset, options.batch)
    form, folder = options.format or "mixed", options.output
    return ExportRequest(form, target, folder, options.images, options.torch, options.safetensors)


def _find_network(options: ExportOptions) -> FoundNetwork:
    """The candidate that a key begins with, and its run."""
    from nas.jobs.stages.found_network import find_network
    from results.database.location import locate_database
    from results.database.results_database import ResultsDatabase

    with ResultsDatabase(locate_database(options.runs, options.database), read_only=True) as database:
        return find_network(database, str(options.job), options.run)


@takes(CompressOptions)
def _compress(options: CompressOptions) -> None:
    from nas.jobs.compress import compress_job

    with _measured_by_workers(options) as workspace:
        compress_job(workspace, options.preset, options.candidate)


@takes(SensitivityOptions)
def _sensitivity(options: SensitivityOptions) -> None:
    from nas.jobs.compress import sensitivity_job

    names = [] if options.metrics is None else [name.strip() for name in options.metrics.split(",")]
    with _measured_by_workers(options) as workspace:
        sensitivity_job(workspace, names, options.candidate)


@takes(FinetuneOptions)
def _finetune(options: FinetuneOptions) -> None:
    from nas.jobs.compress import finetune_found_job
    from nas.jobs.execution import Workers
    from nas.jobs.stages.finetune import check_tuning

    epochs, learning_rate, weight = options.epochs, options.learning_rate, options.feature_distillation
    check_tuning(epochs, learning_rate, weight)  # before a folder is made
    with _opened(options, Workers(), options.database) as workspace:
        finetune_found_job(workspace, options.key, epochs, learning_rate, options.candidate, weight)


def _address(ray: bool, ray_address: str | None) -> str | None:
    """The address of Ray as `nas.jobs.execution.Workers` takes it: "local" for `--ray`, None for no Ray."""
    return ray_address or ("local" if ray else None)


@contextmanager
def _measured_by_workers(options: MeasuringOptions) -> Iterator[Workspace]:
    """The workspace of a job whose candidates are measured by workers."""
    from nas.files import expand_path
    from nas.jobs.execution import Workers

    workers = Workers(options.workers, _address(options.ray, options.ray_address), options.gpus_per_worker)
    if workers.ray_address is not None:
        check_command_line(options.database)
    if options.expand:
        options = replace(options, runs=expand_path(options.runs))
    with _opened(options, workers, options.database) as workspace:
        yield workspace


@contextmanager
def _opened(options: JobOptions, workers: Workers, database: str | None = None) -> Iterator[Workspace]:
    """The workspace of a job file; while the block runs, no other process can work in the job's folder."""
    from nas.jobs.execution import check_local_workers
    from nas.jobs.files.job import load_job

    if workers.ray_address is None:  # Ray places its workers by the CPUs that it manages
        check_local_workers(workers.count)
    with _opened_job(load_job(options.job, options.data), options.runs, workers, database) as workspace:
        yield workspace


@contextmanager
def _opened_job(
    job: Job, runs: Path, workers: Workers, database: str | None, restored: str | None = None
) -> Iterator[Workspace]:
    """The workspace of a job, which a file has stated or a run has kept; see `Workspace.restored`."""
    from nas.cli.console import open_console
    from nas.jobs.console.reporter import Reporter
    from nas.jobs.job_folder import open_job_folder
    from nas.jobs.workspace import Workspace

    job.data.check_source()
    workspace = Workspace(job, runs, Reporter(open_console()), workers, database, restored)
    with running_job(), resumable(), open_job_folder(workspace.folder) as said, workspace:
        for line in said:
            workspace.reporter.say(line)
        yield workspace
