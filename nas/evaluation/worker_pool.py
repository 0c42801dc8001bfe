"""A pool of workers that may die: each measures one candidate at a time, so it is known which one ended it.

Independent of where workers run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType

from nas.evaluation.pool import MakeMeasure, Pool
from nas.evaluation.worker import PoolState, Worker, WorkerDied, WorkerHost
from nas.objectives import Failure, Measured
from search_spaces.candidate import Candidate

_MOST_DEATHS = 3  # deaths in a row, none of which a candidate seems to cause, after which a worker is not replaced
_END_S = 10  # how long threads may take to end with the pool
_MOST_KILLS = 2  # workers that a candidate may end: one may have died of something else, such as memory others took


@dataclass
class _Task:
    make: MakeMeasure
    candidate: Candidate
    fidelity: float
    values: Future[Measured]
    kills: int = 0


class WorkerPool(Pool):
    """Measures in workers, each of which has a thread in this process; queued candidates wait in this process.

    A worker that dies is replaced, and its candidate is measured once more; if that ends a worker, too, the candidate
    has failed. A worker that exceeds the time limit is ended and replaced, and its candidate has failed.

    Args:
        host: Where workers run; it is opened when the first candidate arrives.
        workers: Number of workers. Where the host has no room for all, fewer are used.
        timeout_s: How long the measurement of a candidate may take, without the making of the measurement; None is for
            ever.
    """

    def __init__(self, host: WorkerHost, workers: int, timeout_s: float | None = None) -> None:
        self._host, self._workers, self._timeout_s = host, workers, timeout_s
        self._state, self._turns = PoolState(), _Turns()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock, self._active = threading.Lock(), 0
        self._failure: Exception | None = None

    def submit(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Future[Measured]:
        """Queues a candidate for the next free worker."""
        if not self._threads:
            self._host.open()
            self._active = self._workers
            self._threads = [threading.Thread(target=self._watch, daemon=True) for _ in range(self._workers)]
            for thread in self._threads:
                thread.start()
        task = _Task(make, candidate, fidelity, Future())
        self._tasks.put(task)
        if self._failure is not None:
            self._fail_all(self._failure)
        return task.values

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._state.closing.set()
        for _ in self._threads:
            self._tasks.put(None)
        for worker in list(self._state.working.values()):
            worker.interrupt()
        for thread in self._threads:
            thread.join(_END_S)
        while not self._tasks.empty():
            if (task := self._tasks.get()) is not None:
                task.values.cancel()
        if self._threads:
            self._host.close()

    def _watch(self) -> None:
        """The loop of a thread: starts a worker, has it measure queued candidates, and replaces it when it dies.

        It ends when the pool is closed, the host has no room, or three workers in a row died without a measured
        candidate. If no other thread goes on then, all candidates fail.
        """
        deaths, closing = 0, self._state.closing
        while not closing.is_set():
            try:
                worker = self._host.start_worker(self._state)
                self._state.working[threading.current_thread()] = worker
                try:
                    while not closing.is_set() and (task := self._tasks.get()) is not None:
                        if not self._measure(worker, task):
                            break
                        deaths = 0
                finally:
                    self._state.working.pop(threading.current_thread())
                    worker.close()
            except WorkerDied as death:
                deaths += 1
                if deaths == _MOST_DEATHS:
                    advice = "start the run again to go on with it"
                    self._give_up(OSError(f"{deaths} workers died in a row, the last one {death}; {advice}"))
                    return
            except Exception as error:
                self._give_up(error)
                return

    def _measure(self, worker: Worker, task: _Task) -> bool:
        """Has a worker measure a candidate, and sets the result or exception of its future.

        Returns:
            Whether the worker is still fit to measure.

        Raises:
            WorkerDied: If it died of something else than this candidate, which is queued again.
        """
        try:
            worker.prepare(task.make)
        except WorkerDied:
            self._tasks.put(task)
            raise
        except Exception as error:  # no candidate could be measured
            task.values.set_exception(error)
            return True
        try:
            with self._turns.take(alone=task.kills > 0 and self._host.shares_memory):
                task.values.set_result(worker.measure(task.candidate, task.fidelity, self._timeout_s))
        except TimeoutError:
            task.values.set_result(Failure(f"took longer than timeout_s, {self._timeout_s:g} s"))
            return False
        except WorkerDied as death:
            if death.lost or self._state.closing.is_set():
                self._tasks.put(task)
                raise
            task.kills += 1
            if task.kills < _MOST_KILLS:
                self._tasks.put(task)
            else:
                task.values.set_result(Failure(f"its worker process {death}, twice"))
            return False
        return True

    def _give_up(self, error: Exception) -> None:
        """Ends a thread; with the last one, all candidates fail."""
        with self._lock:
            self._active -= 1
            last = self._active == 0
        if last and not self._state.closing.is_set():
            self._failure = error
            self._fail_all(error)

    def _fail_all(self, error: Exception) -> None:
        """Makes all candidates fail that are queued."""
        while not self._tasks.empty():
            task = self._tasks.get()
            if task is not None:
                task.values.set_exception(error)


class _Turns:
    """Turns that many take together, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = self._lonely = 0  # turns that are taken; turns alone that are taken or wanted

    @contextmanager
    def take(self, alone: bool) -> Iterator[None]:
        """A turn, while the block runs."""
        with self._changed:
            self._lonely += alone
            self._changed.wait_for(lambda: self._taken == 0 if alone else self._lonely == 0)
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._lonely -= alone
                self._changed.notify_all()
