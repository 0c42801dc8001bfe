"""What other runs measured of the same supernet: where a new search starts from.

Costs are not taken over: they are those of the new run's own device.
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
    """How many evaluations of which other runs a run starts from.

    A run that was begun before starts from what it started from then, whatever was measured since.

    Args:
        database: All runs.
        record: The new run.
        metrics: Names of what must have been measured.
    """
    if database.has_run(record.run):
        return dict(database.record(record.run).sources)
    runs = database.runs_of_subject(record.subject)
    counts = {run: len(_settled(database.evaluations(run), metrics)) for run in runs}
    return {run: count for run, count in counts.items() if count}


def read_sources(
    database: ResultsDatabase, space: JointSpace, sources: Mapping[str, int], metrics: Sequence[str]
) -> Measurements:
    """What those runs measured of candidates of a space, each candidate once.

    Args:
        database: All runs.
        space: The joint space; candidates of others are left out.
        sources: As `find_sources` gives them.
        metrics: Names of what is read.
    """
    found: dict[Candidate, Evaluation] = {}
    for run, count in sources.items():
        found |= {entry.candidate: entry for entry in _settled(database.evaluations(run), metrics)[:count]}
    candidates = [candidate for candidate in found if space.contains(candidate)]
    values = {name: np.array([found[one].values[name] for one in candidates], dtype=np.float64) for name in metrics}
    return Measurements(space.encode(candidates), values)


def _settled(evaluations: Sequence[Evaluation], metrics: Sequence[str]) -> list[Evaluation]:
    """The gap-free prefix of the evaluations, in tell order, as far as all metrics were measured in full."""
    measured = [entry for entry in evaluations if entry.source in _MEASURED and set(metrics) <= entry.values.keys()]
    in_order = sorted(measured, key=lambda entry: entry.tell_order)
    prefix = [entry for number, entry in enumerate(in_order) if entry.tell_order == number]
    return [entry for entry in prefix if entry.fidelity == FULL_FIDELITY]
