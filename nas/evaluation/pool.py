"""What measures candidates one by one, several at the same time.

Pools are independent of what is measured, and measurements of where that is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from search_spaces.candidate import Candidate

Measure = Callable[[Candidate, float], Mapping[str, float]]  # a candidate and a fidelity to values by metric name
# Called when a worker first needs it; the worker keeps the last two. Copies must be equal and hash alike, as frozen
# dataclasses and functions do and partials do not: those are called for every candidate.
MakeMeasure = Callable[[], Measure]


class Pool(ABC):
    """Workers that measure, held until it is closed."""

    @abstractmethod
    def submit(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Future[Mapping[str, float]]:
        """Begins to measure a candidate, or queues it until a worker is free.

        Args:
            make: Makes the measurement in the worker.
            candidate: The candidate.
            fidelity: Share of a full measurement, above 0 and at most 1.

        Returns:
            Metric name to value, once it is measured; or what the measurement raised.
        """

    def measuring(self, make: MakeMeasure) -> PooledMeasurement:
        """A measurement that is carried out by the workers of this pool."""
        return PooledMeasurement(self, make)

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Frees the workers."""


@dataclass(frozen=True)
class PooledMeasurement:
    """A `nas.objectives.Measurement` by the workers of a pool, of which other measurements may make use, too.

    Attributes:
        pool: The workers.
        make: Makes the measurement in a worker.
    """

    pool: Pool
    make: MakeMeasure

    def submit(self, candidate: Candidate, fidelity: float) -> Future[Mapping[str, float]]:
        """Begins to measure a candidate, or queues it until a worker is free.

        Args:
            candidate: The candidate.
            fidelity: Share of a full measurement, above 0 and at most 1.
        """
        return self.pool.submit(self.make, candidate, fidelity)
