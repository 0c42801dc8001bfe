"""The arguments and options of commands as values: each field of a frozen dataclass is one of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from nas.cli.database_option import database_option
from nas.cluster import MOST_WORKERS

Options = TypeVar("Options")

Runs = Annotated[Path, typer.Option(help="Folder of all runs.")]
Database = Annotated[str | None, database_option("URL of the results database; default: results.db in --runs.")]
LocalRay = Annotated[bool, typer.Option("--ray", help="Let the workers be Ray's, on this machine.")]
RayCluster = Annotated[str | None, typer.Option(help="Let the workers be those of this Ray cluster (auto, host:port).")]
Preset = Annotated[
    str | None,
    typer.Option(
        help="light repairs without gradients, full tunes biases, finetune is light and trains what is exported; "
        "default: the job's compression.repair, else light."
    ),
]
CandidateKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY", help="The network is this candidate of the job's trained supernet: first digits of its key."
    ),
]
DEFAULT_RUNS = Path("runs")


def takes(options: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Lets a command take the fields of a frozen dataclass as its arguments and options.

    Args:
        options: A dataclass whose fields are annotated as the parameters of a Typer command are.

    Returns:
        A decorator. It turns a function of one such value into a command that Typer can call with single arguments.
    """
    hints = get_type_hints(options, include_extras=True)
    parameters = inspect.signature(options).parameters.values()
    signature = inspect.Signature([one.replace(annotation=hints[one.name]) for one in parameters])

    def decorate(command: Callable[[Options], None]) -> Callable[..., None]:
        def called(**given: Any) -> None:
            command(options(**given))

        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__annotations__ = hints
        called.__signature__ = signature  # type: ignore[attr-defined]  # what Typer reads
        return called

    return decorate


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The arguments and options of every command on a job."""

    job: Annotated[Path, typer.Argument(metavar="JOB", help="The job, a YAML file.")]
    data: Annotated[str | None, typer.Option(help="Use these images instead of data.source of the job.")] = None
    runs: Runs = DEFAULT_RUNS


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions(JobOptions):
    """The arguments and options of a command that measures candidates and stores evaluations."""

    database: Database = None
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_WORKERS, help="Processes that measure candidates; with Ray: that train and measure."
        ),
    ] = 1
    ray: LocalRay = False
    ray_address: RayCluster = None
    gpus_per_worker: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="With Ray: share of a GPU on which each worker measures; 0 is its CPU."),
    ] = 0.0
    expand: Annotated[
        bool, typer.Option("--expand", help="Replace variables such as $HOME in --runs, where no shell has done so.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class ExportOptions(MeasuringOptions):
    """The arguments and options of `nas export`.

    Raises:
        ValueError: If an option that is for candidates is given with a job file, or one for jobs with a candidate, as
            `check_job_alone` and `check_key_alone` describe.
    """

    job: Annotated[
        Path,
        typer.Argument(
            metavar="JOB|KEY",
            help="A job file, of whose front networks are exported; or first digits of a candidate's key, which is "
            "exported alone, from the run that measured it. What is an existing file or ends with .yaml is a job.",
        ),
    ]
    format: Annotated[
        str | None,
        typer.Option(
            help="Of KEY: mixed (as measured, the default), int8 (the same in whole bytes), weight_only or fp32."
        ),
    ] = None
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Of KEY: the oldest runtime that must load the file; default: that of the device of its job."
        ),
    ] = None
    opset: Annotated[int | None, typer.Option(help="Of KEY: the newest opset that the file may name.")] = None
    batch: Annotated[int | None, typer.Option(help="Of KEY: a fixed batch size; default: any.")] = None
    images: Annotated[
        bool, typer.Option("--images", help="Of KEY: let the file read images, uint8, of any height and width.")
    ] = False
    torch: Annotated[
        bool, typer.Option("--torch", help="Of KEY: write the network as a program of torch.export (.pt2), too.")
    ] = False
    safetensors: Annotated[
        bool, typer.Option("--safetensors", help="Of KEY: write the network for nas.load_network (Python), too.")
    ] = False
    output: Annotated[Path | None, typer.Option(help="Of KEY: folder of the file; default: exports/KEY in --runs.")] = (
        None
    )
    run: Annotated[
        str | None, typer.Option(help="Of KEY: the run whose network it is, where several runs have one of that key.")
    ] = None
    job_file: Annotated[
        Path | None,
        typer.Option("--job", help="Of KEY: its job file, where the run has kept no job or one that names code."),
    ] = None

    def check_job_alone(self) -> None:
        """Refuses what is for a candidate where networks of a job are exported.

        Raises:
            ValueError: If one of these options is given.
        """
        only = ("format", "runtime", "opset", "batch", "images", "torch", "safetensors", "output", "run", "job_file")
        if given := self._list_given(only):
            raise ValueError(f"{given} is for a candidate, nas export KEY, and {self.job} is a job; leave it out")

    def check_key_alone(self) -> None:
        """Refuses what is for the search of a job where one candidate is exported, which one process does.

        Raises:
            ValueError: If one of these options is given.
        """
        if given := self._list_given(("workers", "ray", "ray_address", "gpus_per_worker", "expand")):
            raise ValueError(f"{given} is for a job, nas export JOB, and {self.job} is a candidate; leave it out")

    def _list_given(self, names: Sequence[str]) -> str:
        """Those of the options that are not as they are by default, as they are written."""
        defaults = {one.name: one.default for one in fields(self)}
        given = [name for name in names if getattr(self, name) != defaults[name]]
        return ", ".join(f"--{name.removesuffix('_file').replace('_', '-')}" for name in given)


@dataclass(frozen=True, kw_only=True)
class CompressOptions(MeasuringOptions):
    """The arguments and options of `nas compress`."""

    preset: Preset = None
    candidate: CandidateKey = None


@dataclass(frozen=True, kw_only=True)
class SensitivityOptions(MeasuringOptions):
    """The arguments and options of `nas sensitivity`."""

    metrics: Annotated[
        str | None, typer.Option(help="Names of sensitivity metrics between commas; default: all that are known.")
    ] = None
    candidate: CandidateKey = None


@dataclass(frozen=True, kw_only=True)
class TrainOptions(JobOptions):
    """The arguments and options of `nas train`."""

    workers: Annotated[
        int, typer.Option(min=1, max=MOST_WORKERS, help="With Ray: workers that share every batch; else only 1.")
    ] = 1
    ray: LocalRay = False
    ray_address: RayCluster = None


@dataclass(frozen=True, kw_only=True)
class ProfileOptions(JobOptions):
    """The arguments and options of `nas profile`."""

    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster whose node is measured (auto, host:port); with --resource.")
    ] = None
    resource: Annotated[
        str | None, typer.Option(help="Measure the node of the Ray cluster that offers this resource.")
    ] = None
    exported: Annotated[
        bool, typer.Option("--exported", help="Another table, fitted to the networks that the job exported, too.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions(JobOptions):
    """The arguments and options of `nas finetune`."""

    key: Annotated[
        str, typer.Argument(metavar="KEY", help="First digits of the candidate's key; see: nas results pareto.")
    ]
    epochs: Annotated[float, typer.Option(help="Passes over the training images.")] = 2.0
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Learning rate at the start; it falls to 0. Default: 0.01, or 0.0001 for a given network."),
    ] = None
    feature_distillation: Annotated[
        float,
        typer.Option(
            help="Weight in the loss of how far ends of blocks are from those of the given network, each by its norm."
        ),
    ] = 0.0
    candidate: Annotated[
        str | None,
        typer.Option(metavar="OF", help="KEY was found by nas compress --candidate OF; name that candidate."),
    ] = None
    database: Database = None
