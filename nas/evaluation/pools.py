"""Where candidates are measured: in this process, in local processes, or in Ray actors.

In: a description of a measurement. Out: evaluators that give the same values wherever they run. Knows no metric.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from nas.objectives import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.joint_space import Population

Measure = Callable[[Candidate], float]
MakeMeasure = Callable[[], Measure]  # hashable and picklable; called once in every worker


class Pool(Protocol):
    """An evaluator that holds workers until it is closed."""

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,), in the order of the population."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Frees the workers."""


def open_pool(make: MakeMeasure, workers: int, ray_address: str | None) -> Pool:
    """A pool of workers.

    Args:
        make: Builds the measurement inside a worker.
        workers: How many; one without Ray measures in this process.
        ray_address: None for no Ray, `"local"` to start a cluster, else the cluster to join (`"auto"`, `host:port`).
    """
    if ray_address is not None:
        return RayPool(make, workers, ray_address)
    return ProcessPool(make, workers) if workers > 1 else InProcess(make)


class InProcess:
    """Measures in this process."""

    def __init__(self, make: MakeMeasure) -> None:
        self._measure = make()

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,)."""
        return np.array([self._measure(population[row]) for row in range(len(population))])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to free."""


class ProcessPool:
    """Measures in local processes, one thread each."""

    def __init__(self, make: MakeMeasure, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._make = make
        self._executor = ProcessPoolExecutor(workers, context)

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,)."""
        try:
            values = self._executor.map(partial(_measure_in_worker, self._make), _candidates(population))
            return np.array(list(values))
        except BrokenProcessPool as error:
            raise OSError("a worker process died (out of memory?); start the run again to go on with it") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(cancel_futures=True)


class RayPool:
    """Measures in Ray actors; a lost actor is started again and its candidate measured again."""

    def __init__(self, make: MakeMeasure, workers: int, address: str) -> None:
        try:
            import ray
        except ImportError as error:
            raise ValueError("--ray needs Ray; install it with: pip install 'nas[ray]'") from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
            if address == "local":
                options |= {"num_cpus": workers, "include_dashboard": False}
            try:
                ray.init(address=address, **options)
            except (ConnectionError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                raise ValueError(f"no Ray cluster answers at {address!r}: {reason}") from error
        actor = ray.remote(num_cpus=1, max_restarts=3, max_task_retries=3)(_Actor)
        self._actors = [actor.remote(make) for _ in range(workers)]

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,)."""
        from ray.util import ActorPool

        values = ActorPool(self._actors).map(
            lambda actor, candidate: actor.measure.remote(candidate), _candidates(population)
        )
        return np.array(list(values))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        if self._started:
            self._ray.shutdown()


class _Actor:
    def __init__(self, make: MakeMeasure) -> None:
        self._measure = make()

    def measure(self, candidate: Candidate) -> float:
        return self._measure(candidate)


@lru_cache(maxsize=1)
def _built(make: MakeMeasure) -> Measure:
    """The measurement of a worker process, built when its first candidate arrives."""
    return make()


def _measure_in_worker(make: MakeMeasure, candidate: Candidate) -> float:
    return _built(make)(candidate)


def _candidates(population: Population) -> list[Candidate]:
    return [population[row] for row in range(len(population))]
