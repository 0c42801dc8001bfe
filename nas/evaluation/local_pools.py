"""Pools on this machine: a thread of this process, or processes of their own.

In: a description of a measurement. Out: futures of values. Knows no metric.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing.connection import wait
from types import TracebackType

from nas.evaluation.pool import MakeMeasure, Measure, Pool
from search_spaces.candidate import Candidate


class InProcess(Pool):
    """Measures in this process, in a thread: what is known can be stored while the next candidate is measured."""

    def __init__(self, make: MakeMeasure) -> None:
        self._make = make
        self._executor = ThreadPoolExecutor(1)

    def submit(self, candidate: Candidate) -> Future[float]:
        """Queues a candidate."""
        return self._executor.submit(_measure_in_worker, self._make, candidate)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(cancel_futures=True)


class ProcessPool(Pool):
    """Measures in local processes, one thread each."""

    def __init__(self, make: MakeMeasure, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._make = make
        self._executor = ProcessPoolExecutor(workers, context, initializer=_end_with_parent)

    def submit(self, candidate: Candidate) -> Future[float]:
        """Queues a candidate for the next free process."""
        given: Future[float] = Future()

        def hand_over(measured: Future[float]) -> None:
            error = measured.exception()
            if error is None:
                given.set_result(measured.result())
            elif isinstance(error, BrokenProcessPool):
                given.set_exception(
                    OSError("a worker process died (out of memory?); start the run again to go on with it")
                )
            else:
                given.set_exception(error)

        self._executor.submit(_measure_in_worker, self._make, candidate).add_done_callback(hand_over)
        return given

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(cancel_futures=True)


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
