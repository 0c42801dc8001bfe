"""Measurements of other runs on the same subject, from which a new search starts.

Exact costs are not taken over, as they may be of another device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nas.jobs.stages.measurements import Measurements
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY, Evaluation, RunRecord
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace

_MEASURED = ("measured", "verified")


def find_sources(database: ResultsDatabase, record: RunRecord, metrics: Sequence[str]) -> dict[str, int]:
    """The runs that a run starts from, with the number of evaluations that it takes from each.

    A run that is recorded already keeps its recorded sources, whatever was measured since.

    Args:
        database: The results database.
        record: The run.
        metrics: Names of the metrics that must have been measured.
    """
    if database.has_run(record.run):
        return dict(database.record(record.run).sources)
    runs = database.runs_of_subject(record.subject)
    counts = {run: len(_settled(database.evaluations(run), metrics)) for run in runs}
    return {run: count for run, count in counts.items() if count}


def read_sources(
    database: ResultsDatabase, space: JointSpace, sources: Mapping[str, int], metrics: Sequence[str]
) -> Measurements:
    """The measurements that `find_sources` found of candidates of a space, each candidate once.

    Args:
        database: The results database.
        space: The joint space; candidates of other spaces are left out.
        sources: The runs and numbers of evaluations that `find_sources` returned.
        metrics: Names of the metrics that are read.
    """
    found: dict[Candidate, Evaluation] = {}
    for run, count in sources.items():
        found |= {entry.candidate: entry for entry in _settled(database.evaluations(run), metrics)[:count]}
    population, entries = space.encode([]), []
    for candidate, entry in found.items():
        try:
            population = population.join(space.encode([candidate]))
        except ValueError:  # of another space, or of another part of this one
            continue
        entries.append(entry)
    values = {name: np.array([entry.values[name] for entry in entries], dtype=np.float64) for name in metrics}
    return Measurements(population, values)


def _settled(evaluations: Sequence[Evaluation], metrics: Sequence[str]) -> list[Evaluation]:
    """The evaluations in full with all metrics measured, in tell order, up to the first gap in that order.

    Evaluations at a lower fidelity, and those that failed, count for the order, but are left out of the result.
    """
    settled = [
        entry
        for entry in evaluations
        if entry.source in _MEASURED and (entry.failure or set(metrics) <= entry.values.keys())
    ]
    in_order = sorted(settled, key=lambda entry: entry.tell_order)
    prefix = [entry for number, entry in enumerate(in_order) if entry.tell_order == number]
    return [entry for entry in prefix if entry.fidelity == FULL_FIDELITY and not entry.failure]
