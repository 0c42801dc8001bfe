"""What measures candidates one by one, several at the same time.

In: candidates. Out: futures of values, or all values in order. Knows no metric and no place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import numpy as np

from nas.objectives import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.joint_space import Population

Measure = Callable[[Candidate], float]
MakeMeasure = Callable[[], Measure]  # hashable and picklable; called once in every worker


class Pool(ABC):
    """A concurrent evaluator that holds workers until it is closed."""

    @abstractmethod
    def submit(self, candidate: Candidate) -> Future[float]:
        """Begins to measure a candidate, or queues it until a worker is free."""

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,), in the order of the population."""
        futures = [self.submit(candidate) for candidate in population.candidates()]
        return np.array([future.result() for future in futures], dtype=np.float64)

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Frees the workers."""
