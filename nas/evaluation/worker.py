"""Workers that measure one candidate at a time, and where they run."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from nas.evaluation.pool import MakeMeasure
from nas.objectives import Measured
from search_spaces.candidate import Candidate


class WorkerDied(Exception):
    """A worker ended before it answered; the message says how, such as `was killed by SIGKILL`.

    Args:
        how: How it ended.
        lost: Whether its machine was lost, so that what it did is not the cause.
    """

    def __init__(self, how: str, lost: bool = False) -> None:
        super().__init__(how)
        self.lost = lost


class Worker(ABC):
    """A process that measures one candidate at a time."""

    @abstractmethod
    def prepare(self, make: MakeMeasure) -> None:
        """Has it make the measurement of the next candidates, unless it is the one of the last.

        Raises:
            WorkerDied: If it dies.
            Exception: What `make` raises.
        """

    @abstractmethod
    def measure(self, candidate: Candidate, fidelity: float, timeout_s: float | None) -> Measured:
        """Has it measure a candidate.

        Args:
            candidate: The candidate.
            fidelity: Share of a full measurement, above 0 and at most 1.
            timeout_s: How long that may take; None is for ever.

        Raises:
            WorkerDied: If it dies.
            TimeoutError: If it takes longer; it may still be busy then, and is only fit to be closed.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Ends it if it is busy, and lets it become busy no more; may be called from any thread."""

    @abstractmethod
    def close(self) -> None:
        """Ends it."""


@dataclass(frozen=True)
class PoolState:
    """What those who start workers know of a pool.

    Attributes:
        closing: Set as soon as the pool is being closed.
        working: The workers that run, by thread.
    """

    closing: threading.Event = field(default_factory=threading.Event)
    working: dict[threading.Thread, Worker] = field(default_factory=dict)


class WorkerHost(ABC):
    """Where workers run.

    Attributes:
        shares_memory: Whether all workers take from one memory. A candidate that seems to have ended one is then
            measured alone the second time, as it may be too large only beside others.
    """

    shares_memory = False

    def open(self) -> None:  # noqa: B027 nothing is to be done where processes can just be started
        """Called once, before the first worker is started."""

    @abstractmethod
    def start_worker(self, state: PoolState) -> Worker:
        """Starts a worker, and waits until it runs.

        Args:
            state: The pool that starts it.

        Raises:
            WorkerDied: If it dies.
            OSError: If there is no room for it. This and any other error is the end of a thread of the pool.
        """

    def close(self) -> None:  # noqa: B027
        """Called once, after the last worker was closed."""
