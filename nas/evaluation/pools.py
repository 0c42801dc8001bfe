"""Where candidates are measured: in this process, in local processes, or in Ray actors.

In: a description of a measurement. Out: evaluators that give the same values wherever they run. Knows no metric.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import lru_cache, partial
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from nas.cluster import import_ray, joined, lost
from nas.objectives import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.joint_space import Population

_ACTOR_START_S, _MORE_ACTORS_S = 120, 20  # for the first actor, then for the others

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
        self._make = make

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,)."""
        measure = _built(self._make)
        return np.array([measure(candidate) for candidate in _candidates(population)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to free."""


class ProcessPool:
    """Measures in local processes, one thread each."""

    def __init__(self, make: MakeMeasure, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._make = make
        self._executor = ProcessPoolExecutor(workers, context, initializer=_end_with_parent)

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
    """Measures in Ray actors, which must see the same file system.

    The cluster is started or joined when the first candidates arrive. A lost actor is started again and its candidate
    measured again; actors for which the cluster has no room are done without.
    """

    def __init__(self, make: MakeMeasure, workers: int, address: str) -> None:
        self._ray, self._make, self._workers, self._address = import_ray(), make, workers, address
        self._cluster = ExitStack()
        self._actors: list[Any] = []

    def __call__(self, population: Population) -> FloatArray:
        """Measured values, shape (n,)."""
        from ray.util import ActorPool

        self._actors = self._actors or self._start()
        values = ActorPool(self._actors).map(
            lambda actor, candidate: actor.measure.remote(candidate), _candidates(population)
        )
        try:
            return np.array(list(values))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error  # what a local worker would raise
        except self._ray.exceptions.RayError as error:
            raise lost("a Ray worker died", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._cluster.close()

    def _start(self) -> list[Any]:
        self._cluster.enter_context(joined(self._address, self._workers))
        actor = self._ray.remote(num_cpus=1, max_restarts=3, max_task_retries=3)(_Actor)
        asked = [actor.remote(self._make) for _ in range(self._workers)]
        answers = {one.ready.remote(): one for one in asked}
        first, _ = self._ray.wait(list(answers), num_returns=1, timeout=_ACTOR_START_S)
        more, late = self._ray.wait(list(answers), num_returns=len(asked), timeout=_MORE_ACTORS_S)
        if not first and not more:
            raise OSError(f"the Ray cluster had no CPU free for a worker within {_ACTOR_START_S} s; start again later")
        for answer in late:
            self._ray.kill(answers[answer])
        return [answers[answer] for answer in more]


class _Actor:
    def __init__(self, make: MakeMeasure) -> None:
        self._measure = make()

    def ready(self) -> None:
        """Returns when the actor has its place in the cluster."""

    def measure(self, candidate: Candidate) -> float:
        return self._measure(candidate)


@lru_cache(maxsize=1)
def _built(make: MakeMeasure) -> Measure:
    """The measurement of this process, built when its first candidate arrives."""
    return make()


def _end_with_parent() -> None:
    """Lets a worker process end when its parent is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _measure_in_worker(make: MakeMeasure, candidate: Candidate) -> float:
    return _built(make)(candidate)


def _candidates(population: Population) -> list[Candidate]:
    return [population[row] for row in range(len(population))]
