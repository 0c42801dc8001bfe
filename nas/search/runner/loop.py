"""The only search loop: ask, evaluate, store, tell.

It is independent of what is searched, how that is evaluated and where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from nas.objectives import NothingFeasible, compute_costs, compute_violations, infeasibility_message
from nas.search.protocol.outlook import Outlook
from nas.search.protocol.searcher import Searcher
from nas.search.runner.in_flight import Outcome
from nas.search.runner.recorder import Recorder
from nas.search.runner.search_plan import SearchPlan, SearchResult
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY
from search_spaces.population import Population

# How many more candidates are known in full, and what the searcher last foresaw of going on.
Progress = Callable[[int, Outlook | None], None]


def run_search(
    plan: SearchPlan, database: ResultsDatabase, progress: Progress = lambda _more, _outlook: None
) -> SearchResult:
    """Searches until the budget or the space is spent; a run that was interrupted goes on where it stopped.

    Args:
        plan: What is to be done.
        database: Receives every evaluation, and is asked what is stored of the run.
        progress: Called whenever candidates became known.

    Returns:
        What the run evaluated in full, in the order of its sequence numbers.

    Raises:
        NothingFeasible: If no candidate keeps all limits, known ones included; it tells how near the nearest one came.
        ValueError: If the database holds another run of that name.
    """
    problem, known = plan.problem, plan.known
    searcher = plan.method.create(problem, plan.record.seed)
    if known is not None and len(known):
        _tell(searcher, plan, known)
    enough = partial(_gains_too_little, searcher, plan.stop_gain)
    found: list[Outcome] = []
    with database.run_lock(plan.record.run):
        recorder = Recorder(
            database,
            plan.record,
            plan.source,
            problem.objectives,
            plan.dispatch.chunk,
            lambda more: progress(more, searcher.outlook),
        )
        carry_out = _search_in_batches if plan.dispatch.in_flight is None else _search_in_flight
        for outcome in carry_out(searcher, recorder, plan, enough):
            _tell(searcher, plan, outcome)
            if outcome.population.fidelity == FULL_FIDELITY:
                found.append(outcome)
    result = _collect(plan, found, searcher.foresee(searcher.batch))
    values = result.values if known is None else np.concatenate([known.values, result.values])
    if compute_violations(problem.objectives, values).min() > 0:
        raise NothingFeasible(infeasibility_message(problem.objectives, values))
    return result


def _search_in_batches(
    searcher: Searcher, recorder: Recorder, plan: SearchPlan, enough: Callable[[int], bool]
) -> Iterator[Outcome]:
    """Outcomes of whole batches, each asked after the one before was told."""
    batch, asked = plan.dispatch.batch or searcher.batch, 0
    while asked < plan.budget and not enough(batch):
        # as many are asked as a larger budget would ask, so that it can go on
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
    """Outcomes of single candidates; whenever one was told, as many are asked as are missing in flight."""
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
    """Whether going on would bring less than it is to go on for, even at the upper end of what is expected.

    The expected gain alone ends searches too early: it is estimated round after round, and one low estimate is enough.
    A search that is not to stop foresees nevertheless, before the next `n` are asked: who watches it wants to know.
    """
    outlook = searcher.foresee(n)
    return stop_gain is not None and outlook is not None and outlook.high < stop_gain


def _tell(searcher: Searcher, plan: SearchPlan, outcome: Outcome | SearchResult) -> None:
    objectives, values = plan.problem.objectives, outcome.values
    searcher.tell(outcome.population, compute_costs(objectives, values), compute_violations(objectives, values))


def _collect(plan: SearchPlan, found: list[Outcome], outlook: Outlook | None) -> SearchResult:
    """What was found, by sequence number; the candidates are those that were evaluated, not decoded anew."""
    space, objectives = plan.problem.space, plan.problem.objectives
    nothing = Population(space, np.empty((0, len(space.cardinalities)), np.int16))
    population = nothing.join(*(one.population for one in found))
    values = np.concatenate([np.empty((0, len(objectives))), *(one.values for one in found)])
    order = np.argsort([sequence for one in found for sequence in one.sequences], kind="stable")
    return SearchResult(population.take(order), values[order], outlook)
