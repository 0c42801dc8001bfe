"""Candidates that are being evaluated: put in with a number, taken out as their values become known.

In: objectives, and candidates. Out: values, in the order in which they become known. Knows no searcher and no database.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

import numpy as np

from nas.objectives import ConcurrentEvaluator, FloatArray, Objective
from search_spaces.population import Population


@dataclass(frozen=True)
class Outcome:
    """Values of candidates that became known together.

    Attributes:
        sequences: Number of each candidate, n of them.
        population: The candidates.
        values: Shape (n, m), one column per objective.
    """

    sequences: list[int]
    population: Population
    values: FloatArray


class InFlight:
    """Evaluates candidates: one by one and at the same time where an objective can, else in portions.

    Args:
        objectives: What is evaluated.
        chunk: Candidates of a portion, where no objective measures one by one.
    """

    def __init__(self, objectives: list[Objective], chunk: int) -> None:
        self._objectives = objectives
        self._chunk = chunk
        self._measuring = [o.evaluate for o in objectives if isinstance(o.evaluate, ConcurrentEvaluator)]
        self._waiting: dict[int, tuple[Population, list[Future[float]]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self, sequence: int, one: Population) -> None:
        """Begins the evaluation of one candidate under a number."""
        self._waiting[sequence] = (one, [evaluate.submit(one[0]) for evaluate in self._measuring])

    def finished(self) -> Outcome:
        """Waits until at least one candidate is evaluated, and gives those that are.

        Raises:
            Exception: What the evaluation of a candidate raised.
        """
        sequences = self._done() if self._measuring else list(self._waiting)[: self._chunk]
        done = [self._waiting[sequence] for sequence in sequences]
        population = Population(done[0][0].space, np.concatenate([one.genes for one, _ in done]))
        measured = iter(np.array([[future.result() for future in futures] for _, futures in done]).T)
        columns = [
            next(measured) if isinstance(o.evaluate, ConcurrentEvaluator) else o.evaluate(population)
            for o in self._objectives
        ]
        for sequence in sequences:
            del self._waiting[sequence]
        return Outcome(sequences, population, np.column_stack(columns))

    def _done(self) -> list[int]:
        """Numbers of the candidates whose measurements are all there, at least one."""
        while True:
            found = [number for number, (_, futures) in self._waiting.items() if all(f.done() for f in futures)]
            if found:
                return found
            pending = [future for _, futures in self._waiting.values() for future in futures if not future.done()]
            wait(pending, return_when=FIRST_COMPLETED)
