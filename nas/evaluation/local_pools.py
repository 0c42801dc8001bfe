"""Pools on this machine: a thread of this process, or processes of their own."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

from nas.evaluation.measuring import measure_here
from nas.evaluation.pool import MakeMeasure, Pool
from nas.evaluation.worker import PoolState, Worker, WorkerDied, WorkerHost
from nas.evaluation.worker_process import serve
from nas.interruption import spared_children
from nas.objectives import Measured
from search_spaces.candidate import Candidate

_END_S = 5  # how long an idle process may take to end


class InProcess(Pool):
    """Measures in a thread of this process: results can be stored while the next candidate is measured.

    A thread cannot be ended, so a measurement has no time limit here; and one that ends the process ends the program.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1)

    def submit(self, make: MakeMeasure, candidate: Candidate, fidelity: float) -> Future[Measured]:
        """Queues a candidate."""
        return self._executor.submit(measure_here, make, candidate, fidelity)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)  # nobody waits for what a thread finds
        self._executor.shutdown(wait=not interrupted, cancel_futures=True)


class LocalProcesses(WorkerHost):
    """Workers that are processes of this machine, one thread each."""

    shares_memory = True

    def start_worker(self, state: PoolState) -> Worker:  # noqa: ARG002 for hosts that may have to wait for room
        """Starts a process."""
        return _LocalWorker()


class _LocalWorker(Worker):
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,))
        with spared_children():
            self._process.start()
        theirs.close()
        self._prepared: MakeMeasure | None = None
        self._busy = self._ended = False
        self._lock = threading.Lock()  # between becoming busy and being interrupted
        atexit.register(self.close)  # the interpreter waits for processes when it ends, and an idle one does not end

    def prepare(self, make: MakeMeasure) -> None:
        if make != self._prepared:
            self._prepared = None
            answer = self._exchange(make, None)
            if isinstance(answer, Exception):
                raise answer
            self._prepared = make

    def measure(self, candidate: Candidate, fidelity: float, timeout_s: float | None) -> Measured:
        answer: Measured = self._exchange((candidate, fidelity), timeout_s)
        return answer

    def interrupt(self) -> None:
        with self._lock:
            self._ended = True
            if self._busy:
                self._process.kill()

    def close(self) -> None:
        atexit.unregister(self.close)
        self._connection.close()  # an idle process ends by itself then, after it has written what it printed
        self._process.join(0 if self._busy else _END_S)
        self._process.kill()
        self._process.join()

    def _exchange(self, message: object, timeout_s: float | None) -> Any:
        """Sends a message and waits for the answer.

        Raises:
            TimeoutError: If it took too long.
            WorkerDied: If the process has ended.
        """
        with self._lock:
            if self._ended:
                raise WorkerDied("was ended together with its pool")
            self._busy = True
        try:
            self._connection.send(message)
            ready = wait([self._connection, self._process.sentinel], timeout_s)
            if not ready:
                raise TimeoutError
            if self._connection in ready:
                answer = self._connection.recv()
                self._busy = False
                return answer
        except (EOFError, ConnectionError):
            pass
        self._process.join(_END_S)
        raise WorkerDied(_describe_end(self._process.exitcode))


def _describe_end(code: int | None) -> str:
    """How a process ended, by its exit code."""
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return f"was killed by {name}" + (", as happens when memory runs out" if -code == signal.SIGKILL else "")
