"""What measures candidates one by one, several at the same time.

In: descriptions of measurements, and candidates. Out: futures of values, or all values in order. Knows no metric and no
place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from nas.objectives import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.population import Population

Measure = Callable[[Candidate], float]
# Called when a worker first needs it; the worker keeps the last two. Copies must be equal and hash alike, as frozen
# dataclasses and functions do and partials do not: those are called for every candidate.
MakeMeasure = Callable[[], Measure]


class Pool(ABC):
    """Workers that measure, held until it is closed."""

    @abstractmethod
    def submit(self, make: MakeMeasure, candidate: Candidate) -> Future[float]:
        """Begins to measure a candidate, or queues it until a worker is free."""

    def measuring(self, make: MakeMeasure) -> Measuring:
        """A concurrent evaluator by this measurement."""
        return Measuring(self, make)

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Frees the workers."""


@dataclass(frozen=True)
class Measuring:
    """Evaluates candidates by one measurement in the workers of a pool, of which others may make use, too."""

    pool: Pool
    make: MakeMeasure

    def submit(self, candidate: Candidate) -> Future[float]:
        """Begins to measure a candidate, or queues it until a worker is free."""
        return self.pool.submit(self.make, candidate)

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,), in the order of the population."""
        futures = [self.submit(candidate) for candidate in population.candidates]
        return np.array([future.result() for future in futures], dtype=np.float64)
