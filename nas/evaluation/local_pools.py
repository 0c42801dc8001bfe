"""Pools on this machine: a thread of this process, or processes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from types import TracebackType

from nas.evaluation.pool import MakeMeasure, Measure, Pool
from nas.evaluation.worker_process import WorkerProcesses
from search_spaces.candidate import Candidate


class InProcess(Pool):
    """Measures in a thread of this process: results can be stored while the next candidate is measured."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1)

    def submit(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Future[Mapping[str, float]]:
        """Queues a candidate."""
        return self._executor.submit(measure_here, make, candidate, fidelity)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)  # nobody waits for what a thread finds
        self._executor.shutdown(wait=not interrupted, cancel_futures=True)


class ProcessPool(Pool):
    """Measures in local processes, one thread each."""

    def __init__(self, workers: int) -> None:
        self._executor = WorkerProcesses(workers)

    def submit(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Future[Mapping[str, float]]:
        """Queues a candidate for the next free process."""
        given: Future[Mapping[str, float]] = Future()

        def hand_over(measured: Future[Mapping[str, float]]) -> None:
            error = measured.exception()
            if error is None:
                given.set_result(measured.result())
            elif isinstance(error, BrokenProcessPool):
                given.set_exception(
                    OSError("a worker process died (out of memory?); start the run again to go on with it")
                )
            else:
                given.set_exception(error)

        self._executor.submit(measure_here, make, candidate, fidelity).add_done_callback(hand_over)
        return given

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.__exit__(kind, error, at)


@lru_cache(maxsize=2)
def _built(make: MakeMeasure) -> Measure:
    """The measurement that `make` creates; this process keeps the two that were used last."""
    return make()


def measure_here(make: MakeMeasure, candidate: Candidate, fidelity: float) -> Mapping[str, float]:
    """Measures a candidate in this process.

    Args:
        make: Creates the measurement, unless this process has it already.
        candidate: The candidate.
        fidelity: Share of a full measurement, above 0 and at most 1.

    Returns:
        Metric name to value.
    """
    return _built(make)(candidate, fidelity)
