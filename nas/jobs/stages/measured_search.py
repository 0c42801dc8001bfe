"""A search that measures every candidate that it asks for, on the trained weights."""

from __future__ import annotations

from dataclasses import replace

from nas.jobs.console.search_progress import follow_search, say_end, say_failures
from nas.jobs.execution import Execution
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts
from nas.jobs.stages.expected_values import combine_columns, expect_all
from nas.jobs.stages.forecast import say_forecast
from nas.jobs.stages.measurements import Measurements
from nas.jobs.stages.search_outcome import Judged, SearchOutcome
from nas.jobs.stages.sensitivity import find_damage, say_agreement
from nas.jobs.stages.subject import Subject
from nas.jobs.stages.warm_start import find_sources, read_sources
from nas.search.front import find_front
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan, SearchResult
from results.evaluation import RunRecord
from search_spaces.families.given import GivenSpace


def measured_search(section: SearchSection, subject: Subject, costs: ExactCosts, execution: Execution) -> SearchOutcome:
    """Runs the search of a job, which starts from earlier measurements; an interrupted search is continued.

    Args:
        section: The search section of the job.
        subject: The network, the images and the metrics.
        costs: The exact costs.
        execution: The workers, the runs and the reporter of the job.

    Raises:
        NothingFeasible: If no candidate keeps the limits, by its measured or by its expected values.
        TooManyFailures: If too many candidates could not be measured.
    """
    runs, reporter, names = execution.runs, execution.reporter, subject.metric_names
    record = _record(section, subject, costs, execution)
    known = read_sources(runs.database, subject.space, record.sources, names)
    if len(known):
        reporter.say(f"search   {len(known)} candidates of this supernet were measured before")
    if isinstance(subject.measurement.space, GivenSpace) and not runs.database.has_run(record.run):
        say_forecast(section.evaluations, subject, execution)
    method = section.method()
    leaves = subject.read_leaves() if method.needs_leaves else ()
    damage = find_damage(method.damage_metric, subject, execution) if method.damage_metric is not None else ()
    with execution.open_pool() as pool, follow_search(reporter, section.evaluations) as progress:
        measuring = pool.measuring(subject.measurement)
        objectives = costs.job_objectives(section, subject.evaluate_by(measuring))
        plan = SearchPlan(
            SearchProblem(subject.space, objectives, leaves, damage=damage),
            method,
            record,
            section.evaluations,
            known=SearchResult(known.population, combine_columns(objectives, known.population, known.values)),
            stop_gain=section.stop_gain,
            dispatch=section.dispatch(),
            most_failures=section.most_failures,
        )
        result = run_search(plan, runs.database, progress)
    say_failures(reporter, "search", result.failures, len(result) + len(result.failures))
    say_end(reporter, result, len(known), section.evaluations)
    for column, name in enumerate(section.asked) if damage and len(result) else ():
        if name in names:
            measured = objectives[column].metric.costs(result.values[:, column])
            say_agreement(damage, result.population.genes, measured, name, reporter)
    found = {name: result.values[:, column] for column, name in enumerate(section.asked) if name in names}
    everything = known.joined(Measurements(result.population, found))
    expected = expect_all(everything, subject, runs.seed)
    means = {name: column.mean for name, column in expected.items()}
    values = combine_columns(objectives, everything.population, means)
    front, rows = find_front(everything.population, objectives, values, section.verify)
    reporter.say(f"search   {len(rows)} candidates are on the front")
    points = Judged(everything.population, expected, values, everything.values).table(objectives)
    table = points.iloc[rows].reset_index(drop=True)
    return SearchOutcome(front, table, points.assign(group="measured"), record, costs.error_percent, result.failures)


def _record(section: SearchSection, subject: Subject, costs: ExactCosts, execution: Execution) -> RunRecord:
    """The record of the search, with the runs that it starts from."""
    runs = execution.runs
    inputs = {**subject.inputs, **costs.inputs, "search": section.describe()}
    record = runs.record("search", inputs, costs.device, subject.digest)
    if not section.warm_start:
        return record
    return replace(record, sources=find_sources(runs.database, record, subject.metric_names))
