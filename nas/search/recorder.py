"""The record of a run: what is stored is read back, what is not is evaluated and stored.

In: populations in the order they were asked. Out: their values. Knows no searcher: it only counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nas.objectives import FloatArray, Objective
from results.database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord, Source
from search_spaces.joint_space import Population

Progress = Callable[[int], None]  # how many candidates more are known


class Recorder:
    """Evaluates the candidates of one run, each under the next sequence number.

    A killed run that is started again asks for the same candidates in the same order. Those whose outcome is stored are
    not evaluated again, so the database is all the state a run has.

    Args:
        database: Where outcomes are stored.
        record: The run; begun if it is new.
        source: How the values come about.
        chunk: Candidates evaluated and stored at a time: the most that a kill can lose.
    """

    def __init__(self, database: ResultsDatabase, record: RunRecord, source: Source, chunk: int) -> None:
        database.begin(record)
        self._database, self._record, self._source, self._chunk = database, record, source, chunk
        self._stored = {entry.sequence: entry for entry in database.evaluations(record.run)}
        self._sequence = 0

    def evaluate(
        self, population: Population, objectives: Sequence[Objective], progress: Progress = lambda _: None
    ) -> FloatArray:
        """The values of the next candidates of the run, shape (n, m), one column per objective.

        Raises:
            ValueError: If the stored run evaluated other candidates under these numbers.
        """
        known = self._replay(population, objectives)
        progress(len(known))
        parts = [known] if len(known) else []
        for start in range(len(known), len(population), self._chunk):
            part = population.take(slice(start, start + self._chunk))
            values = np.column_stack([objective.evaluate(part) for objective in objectives])
            self._store(part, objectives, values, self._sequence + start)
            parts.append(values)
            progress(len(part))
        self._sequence += len(population)
        return np.concatenate(parts) if parts else np.empty((0, len(objectives)))

    def _replay(self, population: Population, objectives: Sequence[Objective]) -> FloatArray:
        values = []
        for row in range(len(population)):
            entry = self._stored.get(self._sequence + row)
            if entry is None:
                break
            if entry.candidate.key != population[row].key:
                raise ValueError(
                    f"run {self._record.run!r} holds another candidate at number {entry.sequence}: it was made by "
                    "another version of this program or of its libraries; start it under a new name"
                )
            if entry.source != self._source or any(o.metric.name not in entry.values for o in objectives):
                raise ValueError(
                    f"run {self._record.run!r} holds {entry.source} values of {', '.join(entry.values)}, not "
                    f"{self._source} ones of {', '.join(o.metric.name for o in objectives)}; use a new run name"
                )
            values.append([entry.values[objective.metric.name] for objective in objectives])
        return np.array(values).reshape(-1, len(objectives))

    def _store(self, part: Population, objectives: Sequence[Objective], values: FloatArray, first: int) -> None:
        names = [objective.metric.name for objective in objectives]
        self._database.append(
            Evaluation(
                part[row],
                dict(zip(names, values[row].tolist(), strict=True)),
                self._source,
                self._record.run,
                first + row,
                self._record.seed,
            )
            for row in range(len(part))
        )
