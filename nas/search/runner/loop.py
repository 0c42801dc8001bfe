"""The only search loop: it asks the searcher for candidates, evaluates and stores them, and tells the searcher.

It is independent of spaces and objectives, and of how and where candidates are evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from nas.objectives import NothingFeasible, compute_costs, compute_violations, infeasibility_message
from nas.search.protocol.outlook import Outlook
from nas.search.protocol.searcher import Searcher
from nas.search.runner.failures import BEGIN_ANEW, FailureTally, TooManyFailures, count_reasons
from nas.search.runner.in_flight import InFlight, Outcome
from nas.search.runner.recorder import Recorder
from nas.search.runner.search_plan import SearchPlan, SearchResult
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY
from search_spaces.population import Population

# Called with the number of candidates newly evaluated in full, and with the searcher's last outlook.
Progress = Callable[[int, Outlook | None], None]


def run_search(
    plan: SearchPlan, database: ResultsDatabase, progress: Progress = lambda _more, _outlook: None
) -> SearchResult:
    """Searches until the budget or the space is spent; a run that was interrupted goes on where it stopped.

    A candidate that cannot be evaluated is stored with the reason; the search goes on without it.

    Args:
        plan: The search.
        database: Stores every evaluation; what it already holds of the run is not evaluated again.
        progress: Called whenever candidates were evaluated in full.

    Returns:
        The candidates that the run evaluated in full, in the order of their sequence numbers.

    Raises:
        NothingFeasible: If no candidate keeps all limits, `plan.known` included; says how close the closest one comes.
        TooManyFailures: If more evaluations failed than the plan bears, or all of them; names the commonest reason.
        ValueError: If another process writes the run, or the database holds a run of that name with other inputs,
            sources, seed, device, source or candidates.
    """
    problem, known = plan.problem, plan.known
    searcher = plan.method.create(problem, plan.record.seed)
    if known is not None and len(known):
        _tell(searcher, plan, known)
    enough = partial(_gains_too_little, searcher, plan.stop_gain)
    tally = FailureTally(plan.budget, plan.most_failures)
    found, asked = list[Outcome](), 0
    with database.run_lock(plan.record.run):
        recorder = Recorder(
            database,
            plan.record,
            plan.source,
            InFlight(problem.objectives, plan.dispatch.chunk),
            tally,
            lambda more: progress(more, searcher.outlook),
        )
        carry_out = _search_in_batches if plan.dispatch.in_flight is None else _search_in_flight
        for outcome in carry_out(searcher, recorder, plan, enough):
            evaluated = outcome.without_failures()
            if len(evaluated.population):
                _tell(searcher, plan, evaluated)
            if len(evaluated.population) < len(outcome.population):
                searcher.tell_failures(outcome.population.take(outcome.failed))
            if outcome.population.fidelity == FULL_FIDELITY:
                found.append(evaluated)
                asked += len(outcome.population)
    left = asked < plan.budget and not enough(plan.dispatch.in_flight or plan.dispatch.batch or searcher.batch)
    result = _collect(plan, found, searcher.forecast(searcher.batch), tally)
    result = replace(result, exhausted=left, notes=searcher.notes)
    values = result.values if known is None else np.concatenate([known.values, result.values])
    if tally.failed and not len(values):
        reason = count_reasons(tally.failed)[0][0]
        raise TooManyFailures(
            f"all {len(tally.failed)} evaluations failed; the commonest reason: {reason}; {BEGIN_ANEW}"
        )
    if not compute_violations(problem.objectives, values).min() <= 0:
        raise NothingFeasible(infeasibility_message(problem.objectives, values))
    return result


def _search_in_batches(
    searcher: Searcher, recorder: Recorder, plan: SearchPlan, enough: Callable[[int], bool]
) -> Iterator[Outcome]:
    """Outcomes of whole batches; the next batch is asked for after the searcher was told the last one."""
    asked = 0
    while asked < plan.budget and not enough(batch := plan.dispatch.batch or searcher.batch):
        # a whole batch is asked for, also where less of the budget is left: a larger budget can then continue the run
        population = searcher.ask(batch)
        if population.fidelity == FULL_FIDELITY:
            population = population.take(slice(0, plan.budget - asked))
            asked += len(population)
        if len(population) == 0:
            return
        yield recorder.evaluate(population)


def _search_in_flight(
    searcher: Searcher, recorder: Recorder, plan: SearchPlan, enough: Callable[[int], bool]
) -> Iterator[Outcome]:
    """Outcomes of single candidates; after each one, new candidates are asked for until `in_flight` are in flight."""
    asked = waiting = 0
    while True:
        missing = (plan.dispatch.in_flight or 1) - waiting
        if missing > 0 and asked < plan.budget and not enough(missing):
            more = searcher.ask(missing)
            if more.fidelity == FULL_FIDELITY:
                more = more.take(slice(0, plan.budget - asked))
                asked += len(more)
            recorder.start(more)
            waiting += len(more)
        if waiting == 0:
            return
        yield recorder.finish_one()
        waiting -= 1


def _gains_too_little(searcher: Searcher, stop_gain: float | None, n: int) -> bool:
    """Whether the gain of more evaluations is below `stop_gain`, even at the upper end of its interval.

    The expected gain alone would end searches too early: it is estimated in every round, and one low estimate would be
    enough. The forecast, for a next `ask` of `n`, is also made where `stop_gain` is None: progress displays show it.
    """
    outlook = searcher.forecast(n)
    return stop_gain is not None and outlook is not None and outlook.high < stop_gain


def _tell(searcher: Searcher, plan: SearchPlan, outcome: Outcome | SearchResult) -> None:
    objectives, values = plan.problem.objectives, outcome.values
    searcher.tell(outcome.population, compute_costs(objectives, values), compute_violations(objectives, values))


def _collect(plan: SearchPlan, found: list[Outcome], outlook: Outlook | None, tally: FailureTally) -> SearchResult:
    """All outcomes as one result, sorted by sequence number; their decoded candidates are shared, not decoded anew."""
    space, objectives = plan.problem.space, plan.problem.objectives
    nothing = Population(space, np.empty((0, len(space.cardinalities)), np.int16))
    population = nothing.join(*(one.population for one in found))
    values = np.concatenate([np.empty((0, len(objectives))), *(one.values for one in found)])
    order = np.argsort([sequence for one in found for sequence in one.sequences], kind="stable")
    return SearchResult(population.take(order), values[order], outlook, tuple(tally.failed))
