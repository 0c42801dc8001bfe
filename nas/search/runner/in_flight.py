"""The candidates that are being evaluated, each under its sequence number, until their values are known.

Independent of searchers and databases.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

import numpy as np

from nas.objectives import Failure, FloatArray, Measured, MeasuredEvaluator, Measurement, Objective
from search_spaces.population import Population
from search_spaces.search_space import BoolArray


@dataclass(frozen=True)
class Outcome:
    """Candidates whose values became known together, and these values.

    Attributes:
        sequences: Sequence number of each candidate in its run, n of them.
        population: The candidates, all of one fidelity.
        values: Shape (n, m), one column per objective; NaN in the rows of candidates that have failed.
        failures: Why each candidate has failed; empty text for one that has not.
    """

    sequences: Sequence[int]
    population: Population
    values: FloatArray
    failures: Sequence[str]

    @property
    def failed(self) -> BoolArray:
        """Which candidates have failed, a mask of shape (n,)."""
        return np.array([bool(reason) for reason in self.failures], dtype=np.bool_)

    def without_failures(self) -> Outcome:
        """The outcome of the candidates that have not failed."""
        if not any(self.failures):
            return self
        kept = ~self.failed
        sequences = [number for number, reason in zip(self.sequences, self.failures, strict=True) if not reason]
        return Outcome(sequences, self.population.take(kept), self.values[kept], [""] * len(sequences))


class InFlight:
    """Evaluates candidates: concurrently, one by one, if an objective is measured; else `chunk` of them at a time.

    Each distinct measurement measures a candidate once, however many objectives read its values.

    Args:
        objectives: The objectives that are evaluated.
        chunk: Number of candidates evaluated in one call, if no objective is measured.

    Attributes:
        names: The name of the metric of each objective.
    """

    def __init__(self, objectives: Sequence[Objective], chunk: int) -> None:
        self.names = [objective.metric.name for objective in objectives]
        self._objectives = objectives
        self._chunk = chunk
        self._measurements: list[Measurement] = []
        for objective in objectives:
            evaluate = objective.evaluate
            if isinstance(evaluate, MeasuredEvaluator) and evaluate.measurement not in self._measurements:
                self._measurements.append(evaluate.measurement)
        self._waiting: dict[int, tuple[Population, list[Future[Measured]]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self, sequence: int, one: Population) -> None:
        """Begins the evaluation of a candidate.

        Args:
            sequence: The candidate's sequence number.
            one: A population of this candidate alone, at the fidelity at which it is evaluated.
        """
        submitted = [measurement.submit(one[0], one.fidelity) for measurement in self._measurements]
        self._waiting[sequence] = (one, submitted)

    def finish(self) -> Outcome:
        """Waits until at least one candidate is evaluated; removes and returns the evaluated ones of one fidelity.

        A candidate has failed whose measurement has, or that has a value which is not finite.

        Raises:
            Exception: What no candidate could be evaluated for: the exception that the making of a measurement raised,
                or an evaluation that is no measurement.
        """
        known = self._wait() if self._measurements else list(self._waiting)
        fidelity = self._waiting[known[0]][0].fidelity
        sequences = [number for number in known if self._waiting[number][0].fidelity == fidelity]
        if not self._measurements:
            sequences = sequences[: self._chunk]
        done = [self._waiting[number] for number in sequences]
        first, *others = (one for one, _ in done)
        population = first.join(*others)
        measured = [[future.result() for future in submitted] for _, submitted in done]
        values, failures = self._evaluate(population, measured)
        for sequence in sequences:
            del self._waiting[sequence]
        return Outcome(sequences, population, values, failures)

    def _evaluate(self, population: Population, measured: list[list[Measured]]) -> tuple[FloatArray, list[str]]:
        """Values of candidates, shape (n, m), and why each has failed.

        Args:
            population: The candidates.
            measured: What each measurement gave of each candidate.
        """
        failures = [next((one.reason for one in some if isinstance(one, Failure)), "") for some in measured]
        if not any(failures):
            values = np.column_stack([self._column(objective, population, measured) for objective in self._objectives])
        else:
            values = np.full((len(population), len(self._objectives)), np.nan)
            rows = [row for row, reason in enumerate(failures) if not reason]
            if rows:
                kept = population.take(np.array(rows)), [measured[row] for row in rows]
                values[rows] = np.column_stack([self._column(objective, *kept) for objective in self._objectives])
        finite = np.isfinite(values)
        if not finite.all():
            for row in np.flatnonzero(~finite.all(axis=1)):
                column = int(finite[row].argmin())
                failures[row] = failures[row] or f"{self.names[column]} is {values[row, column]}"
                values[row] = np.nan
        return values, failures

    def _column(self, objective: Objective, population: Population, measured: list[list[Measured]]) -> FloatArray:
        """Values of one objective, shape (n,): read from the measurements of each candidate, or evaluated here."""
        evaluate = objective.evaluate
        if not isinstance(evaluate, MeasuredEvaluator):
            return evaluate(population)
        index = self._measurements.index(evaluate.measurement)
        return np.array([evaluate.read(values[index]) for values in measured], dtype=np.float64)

    def _wait(self) -> list[int]:
        """Waits until all measurements of a candidate are done; the sequence numbers of all such candidates."""
        while True:
            found = [number for number, (_, futures) in self._waiting.items() if all(f.done() for f in futures)]
            if found:
                return found
            pending = [future for _, futures in self._waiting.values() for future in futures if not future.done()]
            wait(pending, return_when=FIRST_COMPLETED)
