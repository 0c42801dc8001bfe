"""A search on predictions of measured metrics and on exact costs; the candidates of its front are then measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nas.jobs.console.search_progress import follow_search, say_end, say_failures
from nas.jobs.execution import Execution
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts
from nas.jobs.stages.expected_values import ExpectedValues, combine_columns, expect_all, judge_as_expected
from nas.jobs.stages.fit import Fitted
from nas.jobs.stages.measurements import Measurements, measure
from nas.jobs.stages.search_outcome import Judged, SearchOutcome
from nas.objectives import Objective
from nas.search.front import find_front
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan, SearchResult

if TYPE_CHECKING:
    import pandas as pd


def predicted_search(section: SearchSection, fitted: Fitted, costs: ExactCosts, execution: Execution) -> SearchOutcome:
    """Runs the search of a job, and measures the front that it finds; an interrupted search is continued.

    Args:
        section: The search section of the job.
        fitted: The fitted predictors and their measurements.
        costs: The exact costs.
        execution: The workers, the runs and the reporter of the job.

    Raises:
        NothingFeasible: If no candidate keeps the limits, by its predicted or by its expected values.
        TooManyFailures: If too many candidates could not be predicted, or too many of the front not measured.
    """
    runs, reporter, subject = execution.runs, execution.reporter, fitted.subject
    asked = {"fit": fitted.section.model_dump(), "search": section.describe()}
    asked |= {"given": dict(subject.given)} if subject.given else {}
    record = runs.record("search", {**subject.inputs, **costs.inputs, **asked}, costs.device)
    objectives = costs.job_objectives(
        section, {one: fitted.predictions[one.name] for one in subject.metrics}, subject.given
    )
    plan = SearchPlan(
        SearchProblem(subject.space, objectives),
        section.method(),
        record,
        section.evaluations,
        source="predicted",
        stop_gain=section.stop_gain,
        most_failures=section.most_failures,
    )
    with follow_search(reporter, section.evaluations) as progress:
        result = run_search(plan, runs.database, progress)
    say_failures(reporter, "search", result.failures, len(result) + len(result.failures))
    say_end(reporter, result, 0, section.evaluations)
    promising, _ = find_front(result.population, objectives, result.values, section.verify)
    inputs = {**subject.inputs, **costs.inputs, "search": record.run, "verify": section.verify}
    verify = runs.record("verify", inputs, costs.device, subject.digest)
    exact = tuple(one for one in objectives if one.exact)
    measured = measure(promising.population, subject, execution, verify, "verified", exact)
    expected = _expect(fitted, measured, runs.seed)
    values = combine_columns(objectives, measured.population, {name: one.mean for name, one in expected.items()})
    failed = {one.key for one in measured.failures}
    kept = [row for row, candidate in enumerate(promising.population.candidates) if candidate.key not in failed]
    predicted = {name: promising.column(name)[kept] for name in subject.metric_names}
    verified = Judged(measured.population, expected, values, measured.values, predicted).table(objectives)
    judged = judge_as_expected(section.limits, objectives, measured.population, expected, subject.given)
    front, rows = find_front(measured.population, judged, values)
    reporter.say(f"search   {len(rows)} of {len(measured)} verified candidates are on the front")
    points = _points(result, objectives, verified)
    table, failures = verified.iloc[rows].reset_index(drop=True), (*result.failures, *measured.failures)
    return SearchOutcome(front, table, points, verify, costs.error_percent, failures)


def _expect(fitted: Fitted, measured: Measurements, seed: int) -> dict[str, ExpectedValues]:
    """Expected values of the verified candidates, given their measurements and those of the fit."""
    everything = expect_all(fitted.measured.joined(measured), fitted.subject, seed)
    return {name: one.take(slice(-len(measured), None)) for name, one in everything.items()}


def _points(result: SearchResult, objectives: tuple[Objective, ...], verified: pd.DataFrame) -> pd.DataFrame:
    """The table of all candidates of the search, with predicted values, and of the verified ones after them."""
    import pandas as pd

    unknown = np.full(len(result), np.nan)
    expected = {
        one.metric.name: ExpectedValues(result.values[:, column], unknown)
        for column, one in enumerate(objectives)
        if not one.exact
    }
    searched = Judged(result.population, expected, result.values).table(objectives)
    tables = (searched.assign(group="searched"), verified.assign(group="verified"))
    return pd.concat([table.dropna(axis="columns", how="all") for table in tables], ignore_index=True)
