"""Worker processes: one thread each, and an end together with the parent.

It imports no numerical library, as these read the number of threads when they are loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from nas.interruption import spared_children

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class WorkerProcesses(ProcessPoolExecutor):
    """Processes that this one ends: when all is done; after an error or an interrupt, whatever they are doing.

    Args:
        count: Number of processes.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, multiprocessing.get_context("spawn"), prepare_worker)
        self._children = set[BaseProcess]()

    def submit(
        self, call: Callable[Arguments, Result], /, *given: Arguments.args, **named: Arguments.kwargs
    ) -> Future[Result]:
        """Queues a call for the next free process; see `concurrent.futures.Executor.submit`."""
        before = set(multiprocessing.active_children())
        with spared_children():
            queued = super().submit(call, *given, **named)
        self._children |= set(multiprocessing.active_children()) - before
        return queued

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            for child in self._children:
                child.kill()
        self.shutdown(cancel_futures=True)
        return None


def prepare_worker() -> None:
    """Initialises a spawned process of a pool.

    Processes with several threads each would slow one another down on few cores. Without the thread that waits for the
    parent, the processes would go on running after a parent that was killed.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def serve(connection: Connection) -> None:
    """Runs a worker: it answers each message, until it is ended.

    A function that makes a measurement is answered by None, or by the exception that it raised; a candidate with its
    fidelity by what the measurement made last measures of it.

    Args:
        connection: To the process that started this one.
    """
    prepare_worker()
    from nas.evaluation.measuring import make_here, measure_here

    make: Any = None
    while True:
        try:
            received = connection.recv_bytes()
        except EOFError:  # the parent has gone
            return
        try:
            message = pickle.loads(received)
            if isinstance(message, tuple):
                connection.send(measure_here(make, *message))
            else:
                make = message
                make_here(make)
                connection.send(None)
        except Exception as error:
            connection.send(_sendable(error))


def _sendable(error: Exception) -> Exception:
    """The error, or one of the same message if it cannot be pickled, as some with arguments of their own."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
