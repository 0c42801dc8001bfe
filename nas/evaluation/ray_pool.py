"""A pool of Ray actors; an actor that dies is replaced, and its candidate is measured again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from nas.cluster import import_ray, ray_failure, ray_session
from nas.evaluation.local_pools import measure_here
from nas.evaluation.pool import MakeMeasure, Pool
from search_spaces.candidate import Candidate

# How long to wait for an actor to start: if no other works yet, and if others do, without which work would go on.
_FIRST_ACTOR_S, _MORE_ACTORS_S = 120, 20
_MOST_DEATHS = 3  # deaths after which a candidate fails, as it seems to be the cause; or a thread gives up on actors


@dataclass
class _Task:
    make: MakeMeasure
    candidate: Candidate
    fidelity: float
    values: Future[Mapping[str, float]]
    deaths: int = 0


class RayPool(Pool):
    """Measures in Ray actors, which must see the same file system.

    The cluster is started or joined when the first candidate arrives. Each actor has a thread in this process, which
    gives it one candidate at a time; queued candidates wait in this process. If the cluster has no room for all actors,
    fewer are used.

    Args:
        workers: Number of actors, each with one CPU.
        address: `"local"` to start a cluster, else the address of the one to join.
        gpus: Share of a GPU that each actor takes.
    """

    def __init__(self, workers: int, address: str, gpus: float = 0.0) -> None:
        self._ray, self._workers, self._address, self._gpus = import_ray(), workers, address, gpus
        self._cluster = ExitStack()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._actors: dict[threading.Thread, Any] = {}
        self._failure: OSError | None = None
        self._closing = threading.Event()

    def submit(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Future[Mapping[str, float]]:
        """Queues a candidate for the next free actor."""
        if not self._threads:
            self._cluster.enter_context(ray_session(self._address, self._workers))
            if self._gpus and "GPU" not in self._ray.cluster_resources():
                raise ValueError("the Ray cluster has no GPU; leave out --gpus-per-worker")
            self._threads = [threading.Thread(target=self._watch, daemon=True) for _ in range(self._workers)]
            for thread in self._threads:
                thread.start()
        task = _Task(make, candidate, fidelity, Future())
        self._tasks.put(task)
        if self._failure is not None:
            self._fail(self._failure)
        return task.values

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.set()
        for _ in self._threads:
            self._tasks.put(None)
        for actor in list(self._actors.values()):
            self._ray.kill(actor)
        self._cluster.close()

    def _watch(self) -> None:
        """The loop of a thread: starts an actor, has it measure queued candidates, and replaces it when it dies.

        It ends when the pool is closed, the cluster has no room for an actor, or three actors in a row died without a
        measured candidate. If no other actor works then, all candidates fail.
        """
        deaths = 0
        while not self._closing.is_set():
            try:
                actor = self._start_actor()
                if actor is None:
                    return
                while (task := self._tasks.get()) is not None:
                    self._measure(actor, task)
                    deaths = 0
                return
            except Exception as error:  # of the actor or of the whole cluster
                deaths += 1
                others = self._actors.keys() - {threading.current_thread()}
                if deaths == _MOST_DEATHS and not others and not self._closing.is_set():
                    self._fail(ray_failure("a Ray worker died", error))
                if deaths == _MOST_DEATHS:
                    return
            finally:
                self._actors.pop(threading.current_thread(), None)

    def _measure(self, actor: Any, task: _Task) -> None:
        """Has the actor measure a candidate, and sets the result or exception of its future.

        If the actor dies, the candidate is queued again; after three deaths it fails. The error is raised either way.
        """
        try:
            task.values.set_result(self._ray.get(actor.measure.remote(task.make, task.candidate, task.fidelity)))
        except self._ray.exceptions.RayTaskError as error:
            task.values.set_exception(error.cause)  # what a local worker would raise
        except Exception as error:
            task.deaths += 1
            if task.deaths == _MOST_DEATHS:
                task.values.set_exception(ray_failure("a Ray worker died", error))
            else:
                self._tasks.put(task)
            raise

    def _start_actor(self) -> Any | None:
        """Starts an actor; None if the cluster has no room for it."""
        actor = self._ray.remote(num_cpus=1, num_gpus=self._gpus)(_Actor).remote()
        started, waited_s = actor.ready.remote(), 0
        while not self._ray.wait([started], timeout=1)[0]:
            waited_s += 1
            if self._closing.is_set() or waited_s >= (_MORE_ACTORS_S if self._actors else _FIRST_ACTOR_S):
                self._ray.kill(actor)
                if not self._actors:
                    advice = f"within {_FIRST_ACTOR_S} s; start again later"
                    needs = "CPU" if self._gpus == 0 else f"CPU and {self._gpus:g} GPU"
                    self._fail(OSError(f"the Ray cluster had no {needs} free for a worker {advice}"))
                return None
        self._ray.get(started)
        self._actors[threading.current_thread()] = actor
        return actor

    def _fail(self, error: OSError) -> None:
        """Makes all candidates fail that are queued, or that will be."""
        self._failure = error
        while not self._tasks.empty():
            task = self._tasks.get()
            if task is not None:
                task.values.set_exception(error)


class _Actor:
    def ready(self) -> None:
        """Returns as soon as the actor runs."""

    def measure(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Mapping[str, float]:
        return measure_here(make, candidate, fidelity)
