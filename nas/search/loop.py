"""The only search loop: ask, evaluate, store, tell.

In: a searcher, objectives and a budget. Out: every evaluation of the run. Knows no family, device or worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.objectives import FloatArray, Objective, costs, violations
from nas.search.recorder import Progress, Recorder
from nas.search.searcher import Searcher
from results.database import ResultsDatabase
from results.evaluation import RunRecord, Source

if TYPE_CHECKING:
    import pandas as pd


class NothingFeasible(ValueError):
    """No evaluated candidate keeps all limits."""


def search(
    searcher: Searcher,
    objectives: Sequence[Objective],
    database: ResultsDatabase,
    budget: int,
    *,
    record: RunRecord,
    source: Source = "measured",
    batch: int = 100,
    chunk: int = 100,
    progress: Progress = lambda _: None,
) -> pd.DataFrame:
    """Searches until the budget or the space is spent; a run that was interrupted goes on where it stopped.

    Args:
        searcher: Freshly seeded; it is told the stored part of the run again.
        objectives: What is optimised, and the limits.
        database: Receives every evaluation.
        budget: Evaluations, stored ones included.
        record: The run.
        source: How the objectives' values come about.
        batch: Candidates per ask; part of the run's identity.
        chunk: Candidates evaluated and stored at a time; not part of it.
        progress: Called with the number of candidates that became known.

    Returns:
        One row per evaluation of the run, as `ResultsDatabase.frame` gives them.

    Raises:
        NothingFeasible: If no candidate keeps all limits; it tells how near the nearest one came.
    """
    recorder = Recorder(database, record, source, chunk)
    least, nearest, done = np.inf, np.zeros(len(objectives)), 0
    while done < budget:
        population = searcher.ask(min(batch, budget - done))
        if len(population) == 0:
            break
        values = recorder.evaluate(population, objectives, progress)
        missed = violations(objectives, values)
        searcher.tell(population, costs(objectives, values), missed)
        done += len(population)
        if missed.min() < least:
            least, nearest = float(missed.min()), values[missed.argmin()]
    if least > 0:
        raise NothingFeasible(_how_near(objectives, nearest, done))
    return database.frame(run=record.run)


def _how_near(objectives: Sequence[Objective], nearest: FloatArray, done: int) -> str:
    limited = [(o, value) for o, value in zip(objectives, nearest, strict=True) if o.limit is not None]
    asked = " and ".join(f"{o.metric.name} {'>=' if o.metric.maximize else '<='} {o.limit:g}" for o, _ in limited)
    found = ", ".join(f"{o.metric.name} {value:.4g}" for o, value in limited)
    return f"nothing satisfies {asked}: the nearest of {done} candidates has {found}; relax search.limits"
