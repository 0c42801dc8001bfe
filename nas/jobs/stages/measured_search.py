"""A search that measures every candidate that it asks for, on the trained weights."""

from __future__ import annotations

import math
from dataclasses import replace

from nas.jobs.console.search_progress import follow_search, say_end, say_failures
from nas.jobs.execution import Execution
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts
from nas.jobs.stages.expected_values import combine_columns, expect_all, judge_as_expected
from nas.jobs.stages.forecast import say_forecast
from nas.jobs.stages.measurements import Measurements
from nas.jobs.stages.measuring_work import tabulate_work
from nas.jobs.stages.search_identity import find_identity
from nas.jobs.stages.search_outcome import Judged, SearchOutcome
from nas.jobs.stages.sensitivity import DamageTables, find_damage, say_agreement
from nas.jobs.stages.subject import Subject
from nas.jobs.stages.supernet_damage import find_supernet_damage, measure_architectures
from nas.jobs.stages.warm_start import find_sources, read_sources
from nas.search.front import find_front
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan, SearchResult
from nas.search.surrogate.floor_bisection import MOST_STEPS
from nas.search.surrogate.weighted_costs import list_uniform
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace


def measured_search(section: SearchSection, subject: Subject, costs: ExactCosts, execution: Execution) -> SearchOutcome:
    """Runs the search of a job, which starts from earlier measurements; an interrupted search is continued.

    Args:
        section: The search section of the job.
        subject: The network, the images and the metrics.
        costs: The exact costs.
        execution: The workers, the runs and the reporter of the job.

    Raises:
        ValueError: If it was begun by pair terms that are not found any more, it is too short for the uniform policies
            with which it begins, or as `find_damage` describes.
        NothingFeasible: If no candidate keeps the limits, by its measured or by its expected values.
        TooManyFailures: If too many candidates could not be measured.
    """
    runs, reporter, names = execution.runs, execution.reporter, subject.metric_names
    method, given = section.method(), isinstance(subject.measurement.space, GivenSpace)
    metric = method.damage_metric
    work = tabulate_work(subject) if method.weighs_work else None
    identity = find_identity(section, subject, costs, execution, weighs_work=work is not None)
    if identity.is_new:
        check_length(section, subject.space)
        if given:
            say_forecast(section.evaluations, subject, execution)
    leaves = subject.read_leaves() if method.needs_leaves else ()
    # a search that was begun without pair terms goes on without
    damage = _find_damage(metric, subject, execution, pairs=not identity.is_begun)
    record = identity.choose(has_pairs=bool(damage.pairs))
    if section.warm_start:
        record = replace(record, sources=find_sources(runs.database, record, names))
    known = read_sources(runs.database, subject.space, record.sources, names)
    if len(known):
        reporter.say(f"search   {len(known)} candidates of this supernet were measured before")
    with execution.open_pool() as pool, follow_search(reporter, section.evaluations) as progress:
        measuring = pool.measuring(subject.measurement)
        objectives = costs.job_objectives(section, subject.evaluate_by(measuring), subject.given)
        measure_damage = None
        if metric is not None and not given:
            measure_damage = measure_architectures(metric, subject, replace(execution, opened=pool))
        plan = SearchPlan(
            SearchProblem(
                subject.space,
                objectives,
                leaves,
                damage=damage.alone,
                pairs=damage.together,
                work=work if identity.weighs_work else None,
                budgeted=identity.budgeted,
                measure_damage=measure_damage,
            ),
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
    for column, name in enumerate(section.asked) if given and damage.alone and len(result) else ():
        if name in names:
            measured = objectives[column].metric.costs(result.values[:, column])
            say_agreement(damage, result.population.genes, measured, name, reporter)
    found = {name: result.values[:, column] for column, name in enumerate(section.asked) if name in names}
    everything = known.joined(Measurements(result.population, found))
    expected = expect_all(everything, subject, runs.seed)
    means = {name: column.mean for name, column in expected.items()}
    values = combine_columns(objectives, everything.population, means)
    judged = judge_as_expected(section.limits, objectives, everything.population, expected, subject.given)
    front, rows = find_front(everything.population, judged, values, section.verify)
    reporter.say(f"search   {len(rows)} candidates are on the front")
    points = Judged(everything.population, expected, values, everything.values).table(objectives)
    table = points.iloc[rows].reset_index(drop=True)
    return SearchOutcome(front, table, points.assign(group="measured"), record, costs.error_percent, result.failures)


def check_length(section: SearchSection, space: JointSpace) -> None:
    """Refuses a search that may end before every uniform policy is measured; takes no time.

    Args:
        section: The search section of the job.
        space: What is searched.

    Raises:
        ValueError: If it begins with uniform policies, and has fewer evaluations than there are of them and, where the
            least of one cost is asked for above a floor, steps of the bisection that comes before them.
    """
    if not section.method().begins_uniform:
        return
    uniform = len(space.population(list_uniform(space)).unique())
    candidates = math.prod(space.cardinalities.tolist())
    steps = min(MOST_STEPS, candidates - uniform) if section.has_floor else 0
    bisected = f" after up to {steps} steps of a bisection" if steps else ""
    if not section.evaluations >= uniform + steps:
        raise ValueError(
            f"search.evaluations must be {uniform + steps} or more, as the {uniform} uniform policies are measured "
            f"first{bisected}, got {section.evaluations}; raise it, or take fewer policies"
        )


def _find_damage(metric: str | None, subject: Subject, execution: Execution, pairs: bool) -> DamageTables:
    """The damage of the policies of a given network, or of the layers of a supernet; none without a metric."""
    if metric is None:
        return DamageTables()
    if isinstance(subject.measurement.space, GivenSpace):
        return find_damage(metric, subject, execution, pairs)
    return DamageTables(find_supernet_damage(metric, subject.space.largest().architecture, subject, execution))
