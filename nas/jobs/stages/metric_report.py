"""Compares sensitivity metrics on the network of a job: how far each tells what policies do, and what it costs.

The tables of damage are those of `nas.jobs.stages.sensitivity`, measured by the same workers and kept in the same
folders, so a search by one of these metrics measures its table no more. What they are held against is measured as
candidates of a search are, and lies in the results database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from nas.compression.sensitivity.additivity import correlate_ranks, draw_candidates, sum_damage
from nas.compression.tracing.trace import TracedNetwork
from nas.evaluation.narrow_damage import need_degradation
from nas.files import atomic_write
from nas.jobs.console.plain_text import plain
from nas.jobs.execution import Execution
from nas.jobs.stages.damage_journal import NotMeasurable
from nas.jobs.stages.measurements import Measurements, measure
from nas.jobs.stages.pair_entries import FEWEST
from nas.jobs.stages.sensitivity import (
    DamageTables,
    JudgedTable,
    check_sensitivity,
    describe_table,
    find_table,
    label_entries,
)
from nas.jobs.stages.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

METRICS = "metrics.csv"  # a row for each metric, see `report_metrics`
LAYERS = "layers.csv"  # columns layer, policy, and the damage by each metric; rows as in a table of damage


def report_metrics(names: Sequence[str], subject: Subject, execution: Execution, refused: Mapping[str, str]) -> Path:
    """Measures the table of each metric, unless it is known, and random policies; prints and stores what each is worth.

    Columns: metric; additivity_r2, of its sums with random policies, measured by the metric itself or, if it finds all
    damage at once, by what they do to the outputs; rank_correlation (Spearman's) of its sums with the drop of the
    job's first measured objective under the same policies, on the validation samples; seconds of one worker;
    not_measurable, the reason why the others are empty. A number is empty, too, where there are too few policies, or
    all are alike.

    Args:
        names: Names of the metrics.
        subject: The given network, the samples and how networks are compressed.
        execution: The runs, the workers and the reporter of the job.
        refused: Those among them that cannot be measured, with the reasons.

    Returns:
        The folder of the files.

    Raises:
        ValueError: If a stored table was damaged.
        TooManyFailures: If too many of the random policies could not be measured.
    """
    import pandas as pd

    reporter, refused, tables = execution.reporter, dict(refused), dict[str, JudgedTable]()
    for name in names:
        if name in refused:
            continue
        try:
            tables[name] = find_table(name, subject, execution)
        except NotMeasurable as error:  # others may well be; what is stored and was damaged is refused
            refused[name] = str(error)
    drops = _measure_drops(subject, execution) if tables else None
    rows = [
        {"metric": name, "not_measurable": refused[name]}
        if drops is None or name in refused
        else {"metric": name, **_judge(tables[name], subject, drops), "not_measurable": ""}
        for name in names
    ]
    columns = ["metric", "additivity_r2", "rank_correlation", "seconds", "not_measurable"]
    report = pd.DataFrame(rows, columns=columns)
    labels = pd.DataFrame(label_entries(subject.space), columns=["layer", "policy"])
    layers = labels.assign(**{name: np.concatenate(table.damage) for name, table in tables.items()})
    folder = execution.runs.path("metrics", _describe_drops(subject) | {"sensitivities": [*names]})
    folder.mkdir(parents=True, exist_ok=True)
    for file, table in ((METRICS, report), (LAYERS, layers)):
        with atomic_write(folder / file) as draft:
            table.to_csv(draft, index=False)
    policies = 0 if drops is None else len(drops)
    reporter.console.print(_make_table(report, subject.metric_names[0], policies))
    for name, reason in refused.items():
        reporter.say(f"metrics  {name} is not measurable: {reason}")
    reporter.say(f"metrics  {folder / METRICS}, the damage of each policy of each layer: {folder / LAYERS}")
    return folder


def list_refusals(names: Sequence[str], traced: TracedNetwork, subject: Subject, labelled: bool) -> dict[str, str]:
    """The metrics that lack something that they need, such as labels, and what; found without any work.

    Args:
        names: Names of metrics.
        traced: The given network.
        subject: The same with its samples.
        labelled: Whether the samples have labels; distilled ones have none.
    """
    refused = dict[str, str]()
    for name in names:
        try:
            check_sensitivity(name, traced, subject.data.task, labelled)
            if subject.space.architectures.genes:
                need_degradation(name, subject.data.task)
        except ValueError as error:
            refused[name] = str(error)
    return refused


def _measure_drops(subject: Subject, execution: Execution) -> Measurements:
    """What is measured of the random policies, which are the same for any metric."""
    policies = subject.space.population(draw_candidates(subject.space))
    record = execution.runs.record("metrics", _describe_drops(subject), subject=subject.digest)
    return measure(policies, subject, execution, record, "measured")


def _describe_drops(subject: Subject) -> dict[str, object]:
    """The inputs of what is measured of the random policies."""
    return {**subject.inputs, **describe_table(subject)}


def _judge(table: JudgedTable, subject: Subject, drops: Measurements) -> dict[str, float]:
    """The numbers of a row."""
    tables, metric = DamageTables.from_entries(table.damage, subject.space), subject.metrics[0]
    sums = sum_damage(tables.alone, drops.population.genes.astype(np.int64), tables.together)
    costs, ranks = metric.costs(drops.values[metric.name]), np.nan
    if len(costs) >= FEWEST and np.ptp(sums) > 0 and np.ptp(costs) > 0:
        ranks, _ = correlate_ranks(sums, costs)
    additivity = table.quality.r2 if table.policies >= FEWEST else np.nan
    return {"additivity_r2": additivity, "rank_correlation": ranks, "seconds": table.quality.seconds}


def _make_table(report: pd.DataFrame, measured: str, policies: int) -> Table:
    """The report for a console."""
    caption = f"{policies} random policies: R2 of summed damage, rank correlation with the drop of {measured}"
    table = Table("sensitivity metric", caption=plain(caption))
    formats = {"additivity_r2": "additivity R2", "rank_correlation": "rank correlation", "seconds": "seconds"}
    for heading in formats.values():
        table.add_column(heading, justify="right")
    for row in report.to_dict("records"):
        numbers = ["-" if np.isnan(row[column]) else f"{row[column]:.2f}" for column in formats]
        table.add_row(*map(plain, (row["metric"], *numbers)))
    return table
