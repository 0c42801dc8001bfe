"""Candidates and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.jobs.console.search_progress import say_failures
from nas.jobs.execution import Execution
from nas.jobs.stages.subject import Subject
from nas.objectives import FloatArray, Objective
from nas.search.runner.failures import FailedCandidate, FailureTally, TooManyFailures
from nas.search.runner.in_flight import InFlight
from nas.search.runner.recorder import Recorder
from results.evaluation import RunRecord, Source
from search_spaces.population import Population


@dataclass(frozen=True)
class Measurements:
    """Candidates, n of them, and what was measured of each.

    Attributes:
        population: The candidates.
        values: Measured values by name of the metric, shape (n,).
        failures: Other candidates, which could not be measured.
    """

    population: Population
    values: Mapping[str, FloatArray]
    failures: tuple[FailedCandidate, ...] = ()

    def __len__(self) -> int:
        return len(self.population)

    def joined(self, others: Measurements) -> Measurements:
        """These, and others of the same space and metrics after them."""
        values = {name: np.concatenate([column, others.values[name]]) for name, column in self.values.items()}
        return Measurements(self.population.join(others.population), values, self.failures + others.failures)

    def take(self, rows: NDArray[np.int64]) -> Measurements:
        """The measurements of the candidates at indices of shape (k,)."""
        return Measurements(self.population.take(rows), {name: column[rows] for name, column in self.values.items()})


def measure(
    population: Population,
    subject: Subject,
    execution: Execution,
    record: RunRecord,
    source: Source,
    costs: tuple[Objective, ...] = (),
) -> Measurements:
    """Measures candidates in the workers; stored measurements are read back, and those that failed are left out.

    Args:
        population: The candidates.
        subject: The network, the images and the metrics.
        execution: The workers, the runs and the reporter of the job.
        record: The run of the measurements.
        source: Source of the evaluations: "measured", or "verified" where they were predicted before.
        costs: Exact objectives whose values are stored with each measurement.

    Raises:
        TooManyFailures: If more candidates failed than the execution tolerates, or all.
    """
    runs, reporter = execution.runs, execution.reporter
    names = subject.metric_names
    with (
        execution.open_pool() as pool,
        reporter.bar(f"measure ({record.stage})", len(population)) as bar,
        runs.database.run_lock(record.run),
    ):
        measuring = pool.measuring(subject.measurement)
        measured = [Objective(metric, one) for metric, one in subject.evaluate_by(measuring).items()]
        in_flight = InFlight([*measured, *costs], len(population))
        tally = FailureTally(len(population), execution.tolerance.most_failures)
        outcome = Recorder(runs.database, record, source, in_flight, tally, bar.advance).evaluate(population)
    say_failures(reporter, record.stage, tally.failed, len(population))
    kept = outcome.without_failures()
    if not len(kept.population):
        raise TooManyFailures(f"all {len(population)} candidates failed; the first: {tally.failed[0].reason}")
    values = {name: kept.values[:, column] for column, name in enumerate(names)}
    return Measurements(kept.population, values, tuple(tally.failed))
