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


def run_search(
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
        ValueError: If the budget is not positive, or the database holds another run of that name.
    """
    if budget < 1:
        raise ValueError(f"a search needs a budget of 1 or more evaluations, got {budget}")
    recorder = Recorder(database, record, source, chunk)
    told: list[FloatArray] = []
    while (done := sum(map(len, told))) < budget:
        population = searcher.ask(min(batch, budget - done))
        if len(population) == 0:
            break
        told.append(recorder.evaluate(population, objectives, progress))
        searcher.tell(population, costs(objectives, told[-1]), violations(objectives, told[-1]))
    values = np.concatenate(told)
    if violations(objectives, values).min() > 0:
        raise NothingFeasible(how_near(objectives, values))
    return database.frame(run=record.run).head(len(values))


def how_near(objectives: Sequence[Objective], values: FloatArray) -> str:
    """Says that no row of values, shape (n, m), keeps the limits, and how near the nearest one comes."""
    nearest = values[violations(objectives, values).argmin()]
    limited = [(o, value) for o, value in zip(objectives, nearest, strict=True) if o.limit is not None]
    asked = " and ".join(f"{o.metric.name} {'>=' if o.metric.maximize else '<='} {o.limit:g}" for o, _ in limited)
    found = ", ".join(f"{o.metric.name} {value:.4g}" for o, value in limited)
    return f"nothing satisfies {asked}: the nearest of {len(values)} candidates has {found}; relax the limits"
