"""Commands that read the results database: `results list`, `results pareto` and `results show`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nas.cli.options import DEFAULT_RUNS, Database, Runs, takes
from search_spaces.quoting import quote

if TYPE_CHECKING:
    import pandas as pd

    from results.database.results_database import ResultsDatabase
    from results.metric import Metric

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
        shown = ["run", "device", "seed", "evaluations", "created", "git"]
        _print(opened.runs().loc[:, shown], "runs", opened.damaged_runs())


@app.command()
@takes(ParetoOptions)
def pareto(options: ParetoOptions) -> None:
    """Show the Pareto front of all evaluations of one source, across runs."""
    from results.database.frame import choose_metrics, keep_within

    limits = _limits(options.limit or [])
    with _open(options) as opened:
        source, found = _find(opened, options)
        names = _metrics(options.metrics) if options.metrics else choose_metrics(found)
        kept, metrics = keep_within(found, limits, opened.metrics), opened.metrics
        front = _select_front(kept, [metrics[name] for name in names], _nothing_on_front(found, names, limits, metrics))
        opened.candidates(front["key"])  # a damaged one is said
        shown = ["key", *names, "resolution", "blocks", "mean_weight_bits", "run"]
        lacking = int(kept.reindex(columns=names).isna().any(axis=1).sum())
        told = [f"{lacking} evaluations lack one of the metrics, and are left out"] if lacking else []
        _print(front.reindex(columns=shown), f"Pareto front, {source}", [*told, *_latency_errors(opened, front)])


@app.command()
@takes(ShowOptions)
def show(options: ShowOptions) -> None:
    """Show one candidate: its description, its JSON and all its evaluations."""
    from results.description import describe
    from search_spaces.quoting import escape_lines

    with _open(options) as opened:
        candidate = opened.candidate(options.key)
        typer.echo(escape_lines(f"{candidate.key}  {describe(candidate)}\n{candidate.to_json()}"))
        known = opened.frame(key=candidate.key)
        shown = known.drop(columns=["key", "sequence", "resolution", "blocks", "mean_weight_bits"])
        failures = [f"failed in {run}: {reason}" for run, reason in opened.failures(candidate.key)]
        _print(shown, "evaluations", [*failures, *_latency_errors(opened, known)])


def _open(options: DatabaseOptions) -> ResultsDatabase:
    from results.database.location import locate_database
    from results.database.results_database import ResultsDatabase

    opened = ResultsDatabase(locate_database(options.runs, options.database), read_only=True)
    if opened.lack:
        typer.echo(f"nas: {opened.lack}", err=True)
    return opened


def _find(opened: ResultsDatabase, options: ParetoOptions) -> tuple[SourceName, pd.DataFrame]:
    """The evaluations that the options select, one or more, and their source.

    Without `--source`, expected values are taken; if there are none, verified ones; if there are none, measured ones.
    """
    wanted = None if options.job is None else _runs_of(opened, options.job)

    def select(source: SourceName | None) -> pd.DataFrame:
        found = opened.frame(options.run, source, options.device)
        return found if wanted is None else found[found["run"].isin(wanted)].reset_index(drop=True)

    sources: list[SourceName] = [options.source] if options.source else ["expected", "verified", "measured"]
    for source in sources:
        if len(found := select(source)):
            return source, found
    asked = {"job": options.job, "run": options.run, "device": options.device}
    where = "".join(f" of {kind} {name!r}" for kind, name in asked.items() if name is not None)
    there = ", ".join(f"{name} ({count})" for name, count in select(None)["source"].value_counts().items())
    there = f"there are {there}, see --source" if there else "there are none of any source, see: nas results list"
    raise ValueError(f"no {' or '.join(sources)} evaluations{where}; {there}")


def _runs_of(opened: ResultsDatabase, job: str) -> set[str]:
    from search_spaces.registry import unknown_name_error

    runs = opened.runs()
    if job not in set(runs["job"]):
        raise unknown_name_error("job", job, dict.fromkeys(name for name in runs["job"] if name))
    return set(runs["run"][runs["job"] == job])


def _metrics(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(f"--metrics must be names between commas, such as accuracy,latency_ms, got {quote(text)}")
    if len(set(names)) < len(names):
        raise ValueError(f"--metrics must name each metric once, got {quote(text)}")
    return names


def _limits(texts: list[str]) -> dict[str, float]:
    limits: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            limit = float(value)
        except ValueError as error:
            raise ValueError(f"a limit is written like latency_ms=5, got {text!r}") from error
        if name in limits:
            raise ValueError(f"--limit must name each metric once, got {name} twice")
        limits[name] = limit
    return limits


def _select_front(kept: pd.DataFrame, metrics: list[Metric], otherwise: str) -> pd.DataFrame:
    from results.database.frame import select_front

    front = select_front(kept, metrics)
    if front.empty:
        raise ValueError(otherwise)
    return front


def _nothing_on_front(
    found: pd.DataFrame, names: list[str], limits: dict[str, float], metrics: Mapping[str, Metric]
) -> str:
    """Why no evaluation of a table, which has some, is on its front, if that is so."""
    if limits:
        best = {name: found[name].max() if metrics[name].maximize else found[name].min() for name in limits}
        reached = ", ".join(f"{name} {value:.6g}" for name, value in best.items())
        return f"none of {len(found)} evaluations keeps the limits and has {', '.join(names)}; the best have {reached}"
    return f"none of {len(found)} evaluations was measured in full and has all of {', '.join(names)}; see --metrics"


def _latency_errors(opened: ResultsDatabase, found: pd.DataFrame) -> list[str]:
    """One line for each run of the evaluations whose latency table has a known error, or whose record is damaged."""
    return [line for run in dict.fromkeys(found["run"]) if (line := _latency_error(opened, run))]


def _latency_error(opened: ResultsDatabase, run: str) -> str:
    from results.database.errors import DatabaseError
    from results.database.row_checks import is_number

    try:
        error = opened.record(run).inputs.get("latency_error_percent")
    except DatabaseError as damage:
        return str(damage)
    if error is None:
        return ""
    if not is_number(error) or not float(error) >= 0:
        return f"latency_error_percent of run {quote(run)} is damaged in the database (got {quote(error)})"
    return f"latencies of {run} are within {error:.4g} % on average" if error else ""


def _print(frame: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> None:
    """Prints a table, and notes below it."""
    from rich.table import Table
    from rich.text import Text

    from nas.cli.console import open_console
    from nas.jobs.console.plain_text import plain

    frame = frame.rename(columns={"mean_weight_bits": "bits"})
    caption = Text("\n").join(map(plain, notes))
    table = Table(title=plain(f"{title} ({len(frame)})"), caption=caption or None, box=None)
    for column in frame.columns:
        numeric = frame[column].dtype.kind in "if"
        table.add_column(plain(column), justify="right" if numeric else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(plain(_show(cell)) for cell in row))
    open_console().print(table)


def _show(cell: object) -> str:
    """A cell as text; empty where an evaluation lacks the metric."""
    if not isinstance(cell, float):
        return str(cell)
    return "" if math.isnan(cell) else f"{cell:.6g}"
