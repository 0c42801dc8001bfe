"""What other runs measured of the same supernet: where a new search starts from.

In: a database and the record of a new run. Out: candidates and their accuracies. Costs are not taken over: they are
those of the new run's own device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY, Evaluation, RunRecord
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

_MEASURED = ("measured", "verified")


@dataclass(frozen=True)
class Known:
    """Candidates, n of them, and their measured accuracies in percent, shape (n,)."""

    population: Population
    accuracy: FloatArray

    def joined(self, others: Known) -> Known:
        """These, and the others after them, of the same space."""
        genes = np.concatenate([self.population.genes, others.population.genes])
        return Known(Population(self.population.space, genes), np.concatenate([self.accuracy, others.accuracy]))


def sources_of(database: ResultsDatabase, record: RunRecord) -> dict[str, int]:
    """How many evaluations of which other runs a run starts from.

    A run that was begun before starts from what it started from then, whatever was measured since.
    """
    if database.has_run(record.run):
        return dict(database.record(record.run).sources)
    lenders = database.runs_of_subject(record.subject) if record.subject else []
    counts = {run: len(_settled(database.evaluations(run))) for run in lenders}
    return {run: count for run, count in counts.items() if count}


def known_accuracies(database: ResultsDatabase, space: JointSpace, sources: Mapping[str, int]) -> Known:
    """The accuracies that those runs measured, of candidates of a space, each candidate once."""
    found: dict[Candidate, float] = {}
    for run, count in sources.items():
        settled = _settled(database.evaluations(run))[:count]
        found |= {entry.candidate: entry.values["accuracy"] for entry in settled}
    candidates = [candidate for candidate in found if _belongs(space, candidate)]
    accuracies = np.array([found[candidate] for candidate in candidates], dtype=np.float64)
    return Known(space.encode(candidates), accuracies)


def _settled(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """What was measured in full of the gap-free prefix of evaluations, in tell order: no later one comes between."""
    in_order = sorted(evaluations, key=lambda entry: entry.tell_order)
    return [
        entry
        for number, entry in enumerate(in_order)
        if entry.tell_order == number
        and entry.source in _MEASURED
        and entry.fidelity == FULL_FIDELITY
        and "accuracy" in entry.values
    ]


def _belongs(space: JointSpace, candidate: Candidate) -> bool:
    try:
        space.encode([candidate])
    except ValueError:
        return False
    return True
