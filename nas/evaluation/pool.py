"""Pools of workers, each of which measures one candidate at a time.

Pools are independent of what is measured, and measurements are independent of the kind of pool.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from nas.objectives import Measured
from search_spaces.candidate import Candidate

Measure = Callable[[Candidate, float], Mapping[str, float]]  # a candidate and a fidelity to values by metric name
# Creates a `Measure` in a worker, which loads networks and images. A worker calls it for the first candidate and keeps
# the result for equal ones (it keeps the two last used). It must therefore be equal to its pickled copies and have the
# same hash, as frozen dataclasses and functions do. A partial does not: it would be called for every candidate.
MakeMeasure = Callable[[], Measure]


class Pool(ABC):
    """Workers that measure, held until it is closed."""

    @abstractmethod
    def submit(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Future[Measured]:
        """Begins to measure a candidate, or queues it until a worker is free.

        Args:
            make: Creates the measurement in the worker.
            candidate: The candidate.
            fidelity: Share of a full measurement, above 0 and at most 1.

        Returns:
            A future of the values by name of the metric, or of the failure of this candidate: its measurement raised an
            error, took too long, ended its worker twice, or gave a value that is not finite. The future raises what
            every candidate would meet: what `make` raised, or an OSError if no worker is left.
        """

    def measuring(self, make: MakeMeasure) -> PooledMeasurement:
        """The measurement that `make` creates, run by the workers of this pool."""
        return PooledMeasurement(self, make)

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Frees the workers."""


@dataclass(frozen=True)
class PooledMeasurement:
    """A `nas.objectives.Measurement` that the workers of a pool run; several measurements may share a pool.

    Attributes:
        pool: The pool of workers.
        make: Creates the measurement in a worker.
    """

    pool: Pool
    make: MakeMeasure

    def submit(self, candidate: Candidate, fidelity: float) -> Future[Measured]:
        """Begins to measure a candidate, or queues it until a worker is free.

        Args:
            candidate: The candidate.
            fidelity: Share of a full measurement, above 0 and at most 1.
        """
        return self.pool.submit(self.make, candidate, fidelity)
