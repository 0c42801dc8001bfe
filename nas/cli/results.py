"""Commands that read the results database: `results list`, `results pareto` and `results show`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nas.cli.options import DEFAULT_RUNS, Database, Runs, takes

if TYPE_CHECKING:
    import pandas as pd

    from results.database.results_database import ResultsDatabase

app = typer.Typer(no_args_is_help=True, help="Query the results database.")

# the same names as `results.evaluation.Source`, which is not imported here: every command would load that module
SourceName = Literal["measured", "predicted", "verified", "expected", "exported", "finetuned"]


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """The options that name the results database."""

    runs: Runs = DEFAULT_RUNS
    database: Database = None


@dataclass(frozen=True, kw_only=True)
class ShowOptions(DatabaseOptions):
    """The arguments and options of `nas results show`."""

    key: Annotated[str, typer.Argument(metavar="KEY", help="First digits of a candidate's key.")]


@dataclass(frozen=True, kw_only=True)
class ParetoOptions(DatabaseOptions):
    """The arguments and options of `nas results pareto`."""

    metrics: Annotated[
        str | None, typer.Option(help="What to trade, separated by commas; default: those of the latest run.")
    ] = None
    job: Annotated[str | None, typer.Option(help="Only runs of the job of this name.")] = None
    run: Annotated[str | None, typer.Option(help="Only this run.")] = None
    source: Annotated[
        SourceName | None,
        typer.Option(help="Only values of this source; default: expected, else verified, else measured."),
    ] = None
    device: Annotated[str | None, typer.Option(help="Only runs for this device.")] = None
    limit: Annotated[
        list[str] | None, typer.Option(help="Worst value allowed, e.g. latency_ms=5; may be repeated.")
    ] = None


@app.command("list")
@takes(DatabaseOptions)
def list_runs(options: DatabaseOptions) -> None:
    """List all runs."""
    with _open(options) as opened:
        _print(opened.runs().loc[:, ["run", "device", "seed", "evaluations", "created", "git"]], "runs")


@app.command()
@takes(ParetoOptions)
def pareto(options: ParetoOptions) -> None:
    """Show the Pareto front of all evaluations of one source, across runs."""
    from results.database.frame import choose_metrics, select_front
    from results.metric import get_metric

    with _open(options) as opened:
        source, found = _find(opened, options)
        names = _metrics(options.metrics) if options.metrics else choose_metrics(found)
        chosen = [get_metric(name) for name in names]
        front = select_front(found, chosen)
        shown = ["key", *names, "resolution", "blocks", "mean_weight_bits", "run"]
        lacking = int(found.reindex(columns=names).isna().any(axis=1).sum())
        told = [f"{lacking} evaluations lack one of the metrics, and are left out"] if lacking else []
        caption = "\n".join([*told, *_latency_errors(opened, front)])
        _print(front.reindex(columns=shown), f"Pareto front, {source}", caption)


@app.command()
@takes(ShowOptions)
def show(options: ShowOptions) -> None:
    """Show one candidate: its description, its JSON and all its evaluations."""
    from results.description import describe

    with _open(options) as opened:
        candidate = opened.candidate(options.key)
        typer.echo(f"{candidate.key}  {describe(candidate)}\n{candidate.to_json()}")
        frame = opened.frame()
        known = frame[frame["key"] == candidate.key].dropna(axis="columns", how="all")  # metrics of others
        shown = known.drop(columns=["key", "sequence", "resolution", "blocks", "mean_weight_bits"])
        _print(shown, "evaluations", "\n".join(_latency_errors(opened, known)))


def _open(options: DatabaseOptions) -> ResultsDatabase:
    from results.database.results_database import ResultsDatabase

    url = options.database or f"sqlite:///{options.runs / 'results.db'}"
    backend, _, path = url.partition(":///")
    if backend.startswith("sqlite") and path and not Path(path).exists():  # a reader makes none
        raise ValueError(f"no results database at {path}; run a job first, or name one with --runs or --database")
    return ResultsDatabase(url)


def _find(opened: ResultsDatabase, options: ParetoOptions) -> tuple[SourceName, pd.DataFrame]:
    """The evaluations that the options select, and their source.

    Without `--source`, expected values are taken; if there are none, verified ones; if there are none, measured ones.
    """
    from search_spaces.registry import unknown_name_error

    sources: list[SourceName] = [options.source] if options.source else ["expected", "verified", "measured"]
    limits, runs = _limits(options.limit or []), opened.runs()
    if options.job is not None and options.job not in set(runs["job"]):
        raise unknown_name_error("job", options.job, dict.fromkeys(name for name in runs["job"] if name))
    wanted = set(runs["run"] if options.job is None else runs["run"][runs["job"] == options.job])
    for source in sources:
        found = opened.frame(options.run, source, options.device, limits)
        found = found[found["run"].isin(wanted)].reset_index(drop=True)
        if len(found):
            break
    return source, found


def _metrics(text: str) -> list[str]:
    names = text.split(",")
    if len(set(names)) < len(names):
        raise ValueError(f"--metrics must name each metric once, got {text}")
    return names


def _limits(texts: list[str]) -> dict[str, float]:
    limits = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            limits[name] = float(value)
        except ValueError as error:
            raise ValueError(f"a limit is written like latency_ms=5, got {text!r}") from error
    return limits


def _latency_errors(opened: ResultsDatabase, found: pd.DataFrame) -> list[str]:
    """One line for each run of the evaluations whose latency table has a known error: that error."""
    records = opened.runs()
    stored = records[records["run"].isin(set(found["run"]))].set_index("run")["inputs"]
    errors = {
        run: inputs["latency_error_percent"] for run, inputs in stored.items() if inputs.get("latency_error_percent")
    }
    return [f"latencies of {run} are within {error:.1f} % on average" for run, error in errors.items()]


def _print(frame: pd.DataFrame, title: str, caption: str = "") -> None:
    from rich.table import Table

    from nas.cli.console import open_console

    frame = frame.rename(columns={"mean_weight_bits": "bits"})
    table = Table(title=f"{title} ({len(frame)})", caption=caption or None, box=None)
    for column in frame.columns:
        numeric = frame[column].dtype.kind in "if"
        table.add_column(str(column), justify="right" if numeric else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(_show(cell) for cell in row))
    open_console().print(table)


def _show(cell: object) -> str:
    """A cell as text; empty where an evaluation lacks the metric."""
    if not isinstance(cell, float):
        return str(cell)
    return "" if math.isnan(cell) else f"{cell:.6g}"
