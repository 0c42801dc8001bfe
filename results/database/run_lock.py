"""A lock on a run, so that only one process writes it at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout


@contextmanager
def run_lock(engine: sa.Engine, run: str) -> Iterator[None]:
    """Locks a run while the block runs; if the process dies, the operating system or the server frees the lock.

    A run of a database in memory needs no lock, as no other process sees it.

    Args:
        engine: The database.
        run: Name of the run.

    Raises:
        ValueError: If another process holds it.
    """
    digest = hashlib.sha256(run.encode())
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            key = int.from_bytes(digest.digest()[:8], signed=True)  # PostgreSQL names locks by 64 bits
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                raise _held_elsewhere(run)
            try:
                yield
            finally:
                connection.invalidate()  # closes the session, and so frees the lock
    elif engine.url.database in (None, "", ":memory:"):
        yield
    else:
        # no fallback to a lock by the existence of a file: such a lock would remain after a killed process
        lock = FileLock(f"{engine.url.database}-{digest.hexdigest()[:8]}.lock", timeout=0, fallback_to_soft=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise _held_elsewhere(run) from error
        try:
            yield
        finally:
            Path(lock.lock_file).unlink(
                missing_ok=True
            )  # safe while it is held: who opened it before sees that it went
            lock.release()


def _held_elsewhere(run: str) -> ValueError:
    return ValueError(f"another process writes run {run!r}; wait for it, or give this one another name")
