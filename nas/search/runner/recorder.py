"""The recorder of a run: stored candidates are read back, others are evaluated and stored as soon as possible.

It is independent of searchers: it knows candidates by their sequence numbers alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from nas.objectives import FloatArray
from nas.search.runner.failures import FailedCandidate, FailureTally
from nas.search.runner.in_flight import InFlight, Outcome
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY, Evaluation, RunRecord, Source
from search_spaces.population import Population


class Recorder:
    """Evaluates the candidates of one run, each under the next sequence number.

    A run that was interrupted and is started again asks for the same candidates in the same order. The searcher is told
    the stored ones in the order in which it was told before, and they are not evaluated again, failed ones included. So
    the database holds the whole state of a run.

    Args:
        database: The database in which outcomes are stored.
        record: The run; begun in the database if it is new.
        source: The source of the values, as it is stored with them.
        in_flight: Evaluates the candidates.
        tally: Counts those that fail, and ends the run if they are too many.
        progress: Called with the number of candidates newly evaluated, or read back, in full.

    Raises:
        ValueError: If the database holds a run of that name with other inputs, sources, seed or device.
    """

    def __init__(
        self,
        database: ResultsDatabase,
        record: RunRecord,
        source: Source,
        in_flight: InFlight,
        tally: FailureTally,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        database.begin(record)
        self._database, self._record, self._source = database, record, source
        self._in_flight, self._tally, self._progress = in_flight, tally, progress
        self._stored = {entry.sequence: entry for entry in database.evaluations(record.run)}
        self._replayed = deque(sorted(self._stored, key=lambda sequence: self._stored[sequence].tell_order))
        self._asked: dict[int, Population] = {}
        self._finished: deque[Outcome] = deque()
        self._next_sequence = self._next_tell_order = 0

    def evaluate(self, population: Population) -> Outcome:
        """Evaluates the next candidates of the run, or reads them back, and returns when all are known.

        Raises:
            ValueError: If the stored run has other candidates, another source or other metrics under these numbers.
            TooManyFailures: If too many evaluations of the run have failed; they are stored.
        """
        first, values = self._next_sequence, np.empty((len(population), len(self._in_flight.names)))
        self._next_sequence += len(population)
        failures, missing = [""] * len(population), []
        for row in range(len(population)):
            entry = self._stored.get(first + row)
            if entry is None:
                missing.append(row)
            else:
                values[row] = self._read(entry, population.take(slice(row, row + 1)))
                failures[row] = entry.failure
        self._count(population, failures)
        self._report(population.fidelity, len(population) - len(missing))
        for row in missing:
            self._in_flight.start(first + row, population.take(slice(row, row + 1)))
        while len(self._in_flight):
            outcome = self._in_flight.finish()
            self._store(outcome, outcome.sequences)
            values[np.array(outcome.sequences) - first] = outcome.values
            for sequence, reason in zip(outcome.sequences, outcome.failures, strict=True):
                failures[sequence - first] = reason
        return Outcome(range(first, self._next_sequence), population, values, failures)

    def start(self, population: Population) -> None:
        """Begins the evaluation of the next candidates of the run; `finish_one` returns their outcomes."""
        for row in range(len(population)):
            one = population.take(slice(row, row + 1))
            self._asked[self._next_sequence] = one
            if self._next_sequence not in self._stored:
                self._in_flight.start(self._next_sequence, one)
            self._next_sequence += 1

    def finish_one(self) -> Outcome:
        """Waits for the outcome of one started candidate, the next that the searcher is to be told.

        Raises:
            ValueError: If the stored run has other candidates, another source or other metrics under these numbers.
            TooManyFailures: If too many evaluations of the run have failed; they are stored.
        """
        if self._replayed:
            sequence = self._replayed.popleft()
            if sequence not in self._asked:
                raise ValueError(self._another(sequence))
            one, entry = self._asked.pop(sequence), self._stored[sequence]
            self._next_tell_order += 1
            replayed = Outcome([sequence], one, self._read(entry, one)[None], [entry.failure])
            self._count(one, replayed.failures)
            self._report(one.fidelity, 1)
            return replayed
        if not self._finished:
            outcome = self._in_flight.finish()
            tell_orders = range(self._next_tell_order, self._next_tell_order + len(outcome.sequences))
            self._store(outcome, tell_orders)
            self._next_tell_order = tell_orders.stop
            for row, sequence in enumerate(outcome.sequences):
                values, failures = outcome.values[row : row + 1], outcome.failures[row : row + 1]
                self._finished.append(Outcome([sequence], self._asked.pop(sequence), values, failures))
        return self._finished.popleft()

    def _read(self, entry: Evaluation, one: Population) -> FloatArray:
        """The stored values of a candidate, shape (m,), after checks that they are of this run; NaN if it failed."""
        if entry.candidate.key != one[0].key or entry.fidelity != one.fidelity:
            raise ValueError(self._another(entry.sequence))
        names = self._in_flight.names
        if entry.source == self._source and entry.failure:
            return np.full(len(names), np.nan)
        if entry.source != self._source or any(name not in entry.values for name in names):
            raise ValueError(
                f"run {self._record.run!r} holds {entry.source} values of {', '.join(entry.values)}, not "
                f"{self._source} ones of {', '.join(names)}; use a new run name"
            )
        return np.array([entry.values[name] for name in names])

    def _another(self, sequence: int) -> str:
        return (
            f"run {self._record.run!r} holds another candidate at number {sequence}: it was made by "
            "another version of this program or of its libraries; start it under a new name"
        )

    def _store(self, outcome: Outcome, tell_orders: Sequence[int]) -> None:
        """Stores an outcome, each of its candidates with a place in the tell order."""
        population, names = outcome.population, self._in_flight.names
        self._database.append(
            Evaluation(
                candidate,
                {} if failure else dict(zip(names, values, strict=True)),
                self._source,
                self._record.run,
                sequence,
                self._record.seed,
                tell_order,
                population.fidelity,
                failure,
            )
            for candidate, values, sequence, tell_order, failure in zip(
                population.candidates,
                outcome.values.tolist(),
                outcome.sequences,
                tell_orders,
                outcome.failures,
                strict=True,
            )
        )
        self._count(population, outcome.failures)
        self._report(population.fidelity, len(population))

    def _count(self, population: Population, failures: Sequence[str]) -> None:
        """Counts those of the candidates that have failed."""
        if any(failures):
            failed = [FailedCandidate(population[row].key, reason) for row, reason in enumerate(failures) if reason]
            self._tally.add(failed, self._next_sequence)

    def _report(self, fidelity: float, more: int) -> None:
        """Reports progress; candidates of a lower fidelity do not count, as they do not count for the budget."""
        if fidelity == FULL_FIDELITY:
            self._progress(more)
