"""The record of a run: what is stored is read back, what is not is evaluated and stored as soon as it is known.

Independent of searchers: it only counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from nas.objectives import FloatArray, Objective
from nas.search.runner.in_flight import InFlight, Outcome
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY, Evaluation, RunRecord, Source
from search_spaces.population import Population


class Recorder:
    """Evaluates the candidates of one run, each under the next sequence number.

    A killed run that is started again asks for the same candidates in the same order, and is told the stored ones in
    the order in which it was told before. They are not evaluated again, so the database is all the state a run has.

    Args:
        database: Where outcomes are stored.
        record: The run; begun if it is new.
        source: How the values come about.
        objectives: What is evaluated.
        chunk: Candidates evaluated and stored at a time, where no objective is measured one by one.
        progress: Called with the number of candidates that became known in full.
    """

    def __init__(
        self,
        database: ResultsDatabase,
        record: RunRecord,
        source: Source,
        objectives: Sequence[Objective],
        chunk: int,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        database.begin(record)
        self._database, self._record, self._source = database, record, source
        self._names = [objective.metric.name for objective in objectives]
        self._in_flight = InFlight(objectives, chunk)
        self._progress = progress
        self._stored = {entry.sequence: entry for entry in database.evaluations(record.run)}
        self._replayed = deque(sorted(self._stored, key=lambda sequence: self._stored[sequence].tell_order))
        self._asked: dict[int, Population] = {}
        self._finished: deque[Outcome] = deque()
        self._next_sequence = self._next_tell_order = 0

    def evaluate(self, population: Population) -> Outcome:
        """The outcome of the next candidates of the run, all of which are waited for.

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
        self._report(population.fidelity, len(population) - len(missing))
        for row in missing:
            self._in_flight.start(first + row, population.take(slice(row, row + 1)))
        while len(self._in_flight):
            outcome = self._in_flight.finish()
            self._store(outcome, outcome.sequences)
            values[np.array(outcome.sequences) - first] = outcome.values
        self._next_sequence += len(population)
        return Outcome(range(first, self._next_sequence), population, values)

    def start(self, population: Population) -> None:
        """Begins the evaluation of the next candidates of the run, of which `finish_one` will give the outcomes."""
        for row in range(len(population)):
            one = population.take(slice(row, row + 1))
            self._asked[self._next_sequence] = one
            if self._next_sequence not in self._stored:
                self._in_flight.start(self._next_sequence, one)
            self._next_sequence += 1

    def finish_one(self) -> Outcome:
        """Waits for a candidate that was started; gives them in the order in which the searcher is to be told.

        Raises:
            ValueError: If the stored run evaluated other candidates under these numbers.
        """
        if self._replayed:
            sequence = self._replayed.popleft()
            if sequence not in self._asked:
                raise ValueError(self._another(sequence))
            one = self._asked.pop(sequence)
            self._next_tell_order += 1
            self._report(one.fidelity, 1)
            return Outcome([sequence], one, self._read(self._stored[sequence], one)[None])
        if not self._finished:
            outcome = self._in_flight.finish()
            tell_orders = range(self._next_tell_order, self._next_tell_order + len(outcome.sequences))
            self._store(outcome, tell_orders)
            self._next_tell_order = tell_orders.stop
            for row, sequence in enumerate(outcome.sequences):
                self._finished.append(Outcome([sequence], self._asked.pop(sequence), outcome.values[row : row + 1]))
        return self._finished.popleft()

    def _read(self, entry: Evaluation, one: Population) -> FloatArray:
        """The stored values of a candidate, shape (m,)."""
        if entry.candidate.key != one[0].key or entry.fidelity != one.fidelity:
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

    def _store(self, outcome: Outcome, tell_orders: Sequence[int]) -> None:
        """Stores values that became known, each with its place in the tell order."""
        population = outcome.population
        self._database.append(
            Evaluation(
                candidate,
                dict(zip(self._names, values, strict=True)),
                self._source,
                self._record.run,
                sequence,
                self._record.seed,
                tell_order,
                population.fidelity,
            )
            for candidate, values, sequence, tell_order in zip(
                population.candidates, outcome.values.tolist(), outcome.sequences, tell_orders, strict=True
            )
        )
        self._report(population.fidelity, len(population))

    def _report(self, fidelity: float, more: int) -> None:
        """Says how many more are known; those of a lower fidelity are not what a budget counts."""
        if fidelity == FULL_FIDELITY:
            self._progress(more)
