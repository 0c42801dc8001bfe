"""The record of a run: what is stored is read back, what is not is evaluated and stored as soon as it is known.

In: candidates in the order they were asked. Out: their values, in the order in which a searcher is told. Knows no
searcher: it only counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nas.objectives import FloatArray, Objective
from nas.search.in_flight import InFlight, Outcome
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY, Evaluation, RunRecord, Source
from search_spaces.population import Population

Progress = Callable[[int], None]  # how many candidates more are known


class Recorder:
    """Evaluates the candidates of one run, each under the next sequence number.

    A killed run that is started again asks for the same candidates in the same order, and is told the stored ones in
    the order in which it was told before. They are not evaluated again, so the database is all the state a run has.

    Args:
        database: Where outcomes are stored.
        record: The run; begun if it is new.
        source: How the values come about.
        objectives: What is evaluated.
        chunk: Candidates evaluated and stored at a time, where no objective measures them one by one.
        progress: Called with the number of candidates that became known.
        fidelity: Share of a full measurement at which the objectives are evaluated.
    """

    def __init__(
        self,
        database: ResultsDatabase,
        record: RunRecord,
        source: Source,
        objectives: Sequence[Objective],
        chunk: int,
        progress: Progress = lambda _: None,
        fidelity: float = FULL_FIDELITY,
    ) -> None:
        database.begin(record)
        self._database, self._record, self._source, self._objectives = database, record, source, list(objectives)
        self._names = [objective.metric.name for objective in objectives]
        self._in_flight = InFlight(self._objectives, chunk)
        self._progress, self._fidelity = progress, fidelity
        self._stored = {entry.sequence: entry for entry in database.evaluations(record.run)}
        self._replayed = sorted(self._stored, key=lambda sequence: self._stored[sequence].tell_order)
        self._asked: dict[int, Population] = {}
        self._next_sequence = self._told = 0

    def evaluate(self, population: Population) -> FloatArray:
        """The values of the next candidates of the run, shape (n, m), one column per objective.

        Raises:
            ValueError: If the stored run evaluated other candidates under these numbers.
        """
        first, values = self._next_sequence, np.empty((len(population), len(self._names)))
        missing = []
        for row in range(len(population)):
            entry = self._stored.get(first + row)
            if entry is None:
                missing.append(row)
            else:
                values[row] = self._read(entry, population.take(slice(row, row + 1)))
        self._progress(len(population) - len(missing))
        for row in missing:
            self._in_flight.start(first + row, population.take(slice(row, row + 1)))
        while len(self._in_flight):
            outcome = self._in_flight.finished()
            self._store(outcome, outcome.sequences)
            values[np.array(outcome.sequences) - first] = outcome.values
        self._next_sequence += len(population)
        return values

    def start(self, population: Population) -> None:
        """Begins the evaluation of the next candidates of the run, of which `told` will give the outcomes."""
        for row in range(len(population)):
            one = population.take(slice(row, row + 1))
            self._asked[self._next_sequence] = one
            if self._next_sequence not in self._stored:
                self._in_flight.start(self._next_sequence, one)
            self._next_sequence += 1

    def told(self) -> list[tuple[Population, FloatArray]]:
        """Waits for outcomes of what was started; gives them one by one, in the order a searcher is to be told.

        Raises:
            ValueError: If the stored run evaluated other candidates under these numbers.
        """
        if self._told < len(self._replayed):
            sequence = self._replayed[self._told]
            if sequence not in self._asked:
                raise ValueError(self._another(sequence))
            one = self._asked.pop(sequence)
            self._told += 1
            self._progress(1)
            return [(one, self._read(self._stored[sequence], one)[None])]
        outcome = self._in_flight.finished()
        self._store(outcome, list(range(self._told, self._told + len(outcome.sequences))))
        self._told += len(outcome.sequences)
        return [
            (self._asked.pop(number), outcome.values[row : row + 1]) for row, number in enumerate(outcome.sequences)
        ]

    def _read(self, entry: Evaluation, one: Population) -> FloatArray:
        """The stored values of a candidate, shape (m,)."""
        if entry.candidate.key != one[0].key:
            raise ValueError(self._another(entry.sequence))
        if entry.source != self._source or any(name not in entry.values for name in self._names):
            raise ValueError(
                f"run {self._record.run!r} holds {entry.source} values of {', '.join(entry.values)}, not "
                f"{self._source} ones of {', '.join(self._names)}; use a new run name"
            )
        return np.array([entry.values[name] for name in self._names])

    def _another(self, sequence: int) -> str:
        return (
            f"run {self._record.run!r} holds another candidate at number {sequence}: it was made by "
            "another version of this program or of its libraries; start it under a new name"
        )

    def _store(self, outcome: Outcome, told: Sequence[int]) -> None:
        self._database.append(
            Evaluation(
                candidate,
                dict(zip(self._names, outcome.values[row].tolist(), strict=True)),
                self._source,
                self._record.run,
                sequence,
                self._record.seed,
                told[row],
                self._fidelity,
            )
            for row, (sequence, candidate) in enumerate(
                zip(outcome.sequences, outcome.population.candidates, strict=True)
            )
        )
        self._progress(len(outcome.sequences))
