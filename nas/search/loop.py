"""The only search loop: ask, evaluate, store, tell.

In: a searcher, objectives and a budget. Out: every evaluation of the run. Knows no family, device or worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nas.objectives import FloatArray, Objective, costs, violations
from nas.search.recorder import Progress, Recorder
from nas.search.screening import Screening, ScreeningSearcher
from nas.search.searcher import Searcher
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord, Source
from search_spaces.population import Population

if TYPE_CHECKING:
    import pandas as pd


Told = tuple[Population, FloatArray]  # candidates and their values, shape (n, m)


class NothingFeasible(ValueError):
    """No evaluated candidate keeps all limits."""


def run_search(
    searcher: Searcher,
    objectives: Sequence[Objective],
    database: ResultsDatabase,
    budget: int,
    *,
    record: RunRecord,
    source: Source = "measured",
    known: Told | None = None,
    batch: int | None = None,
    in_flight: int | None = None,
    screening: Screening | None = None,
    stop_gain: float | None = None,
    chunk: int = 100,
    progress: Progress = lambda _: None,
) -> pd.DataFrame:
    """Searches until the budget or the space is spent; a run that was interrupted goes on where it stopped.

    Args:
        searcher: Freshly seeded; it is told the stored part of the run again.
        objectives: What is optimised, and the limits.
        database: Receives every evaluation.
        budget: Evaluations, stored ones included. A run goes on with a larger budget; with screening, if the budget
            was a multiple of the batch.
        record: The run.
        source: How the objectives' values come about.
        known: Candidates that were evaluated before, and their values: the searcher is told them first. They are not
            part of the run, but of its identity.
        batch: Candidates per ask, all of which are told before the next; part of the run's identity. None is what
            serves the searcher best.
        in_flight: Candidates that are asked and not told yet. If given, each is told as soon as it is evaluated, and
            another is asked; part of the run's identity, while the number of workers is not.
        screening: A cheap look at more candidates before each batch; part of the run's identity. Only for searchers
            that make use of it, and in batches.
        stop_gain: Ends the search before its budget, once the gain of going on (see `nas.search.outlook`) is expected
            to be below this share of the volume of the front, even at the upper end of its interval; None spends the
            budget.
        chunk: Candidates evaluated and stored at a time; not part of it.
        progress: Called with the number of candidates that became known.

    Returns:
        One row per evaluation of the run, as `ResultsDatabase.frame` gives them.

    Raises:
        NothingFeasible: If no candidate keeps all limits; it tells how near the nearest one came.
        ValueError: If the budget is not positive, the database holds another run of that name, or the searcher is not
            made for screening, or foresees nothing and is to stop by it.
    """
    if budget < 1:
        raise ValueError(f"a search needs a budget of 1 or more evaluations, got {budget}")
    if in_flight is not None and in_flight < 1:
        raise ValueError(f"a search needs 1 or more candidates in flight, got {in_flight}")
    if isinstance(searcher, ScreeningSearcher) != (screening is not None) or (screening and in_flight is not None):
        raise ValueError("screening, a searcher that is made for it, and batches (no in_flight) need one another")
    if stop_gain is not None and not searcher.foresees:
        raise ValueError("stop_gain needs a searcher that foresees what going on gains, such as linas")
    if screening is not None:
        screening.check(objectives, record)
    if known is not None and len(known[0]):
        searcher.tell(known[0], costs(objectives, known[1]), violations(objectives, known[1]))
    enough = partial(_gains_little, searcher, stop_gain)
    told = [np.empty((0, len(objectives))) if known is None else known[1]]
    with database.run_lock(record.run):
        recorder = Recorder(database, record, source, objectives, chunk, progress)
        if in_flight is not None:
            outcomes = _as_they_come(searcher, recorder, budget, in_flight, enough)
        elif screening is not None and isinstance(searcher, ScreeningSearcher):
            looks = Recorder(
                database, screening.record, "measured", screening.objectives, chunk, fidelity=screening.fidelity
            )
            screen = partial(_screen, searcher, looks, screening)
            outcomes = _in_batches(searcher, recorder, budget, batch or searcher.batch, enough, screen)
        else:
            outcomes = _in_batches(searcher, recorder, budget, batch or searcher.batch, enough)
        for population, values in outcomes:
            searcher.tell(population, costs(objectives, values), violations(objectives, values))
            told.append(values)
    everything = np.concatenate(told)
    if violations(objectives, everything).min() > 0:
        raise NothingFeasible(how_near(objectives, everything))
    return database.frame(run=record.run).head(len(everything) - len(told[0]))


def _in_batches(
    searcher: Searcher,
    recorder: Recorder,
    budget: int,
    batch: int,
    enough: Callable[[int], bool],
    before: Callable[[int], None] = lambda _: None,
) -> Iterator[Told]:
    """Outcomes of whole batches, each asked after the one before was told; `before` is called with their sizes."""
    asked = 0
    while asked < budget and not enough(batch):
        before(min(batch, budget - asked))
        # as many are asked as a larger budget would ask, so that it can go on
        population = searcher.ask(batch).take(slice(0, budget - asked))
        if len(population) == 0:
            return
        asked += len(population)
        yield population, recorder.evaluate(population)


def _screen(searcher: ScreeningSearcher, looks: Recorder, screening: Screening, batch: int) -> None:
    """A cheap look at candidates, from which the next batch will be chosen."""
    population = searcher.screen(batch * screening.ratio)
    if len(population):
        searcher.tell_screened(population, costs(screening.objectives, looks.evaluate(population)))


def _gains_little(searcher: Searcher, stop_gain: float | None, n: int) -> bool:
    """Whether going on would bring less than it is to go on for, even at the upper end of what is expected.

    The expected gain alone ends searches too early: it is looked at round by round, and one low estimate is enough.
    A search that is not to stop foresees nevertheless, before the next `n` are asked: who watches it wants to know.
    """
    outlook = searcher.foresee(n)
    return stop_gain is not None and outlook is not None and outlook.high < stop_gain


def _as_they_come(
    searcher: Searcher, recorder: Recorder, budget: int, in_flight: int, enough: Callable[[int], bool]
) -> Iterator[Told]:
    """Outcomes of single candidates; whenever one was told, another is asked."""
    first = searcher.ask(0 if enough(in_flight) else in_flight).take(slice(0, budget))
    recorder.start(first)
    asked, told = len(first), 0
    while told < asked:
        for outcome in recorder.told():
            yield outcome
            told += 1
            if asked < budget and not enough(1):
                more = searcher.ask(1)
                recorder.start(more)
                asked += len(more)


def how_near(objectives: Sequence[Objective], values: FloatArray) -> str:
    """Says that no row of values, shape (n, m), keeps the limits, and how near the nearest one comes."""
    nearest = values[violations(objectives, values).argmin()]
    limited = [(o, value) for o, value in zip(objectives, nearest, strict=True) if o.limit is not None]
    asked = " and ".join(f"{o.metric.name} {'>=' if o.metric.maximize else '<='} {o.limit:g}" for o, _ in limited)
    found = ", ".join(f"{o.metric.name} {value:.4g}" for o, value in limited)
    return f"nothing satisfies {asked}: the nearest of {len(values)} candidates has {found}; relax the limits"
