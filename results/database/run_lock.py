"""A lock on a run, so that only one process writes it at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import Timeout

from results.file_lock import hold_lock


@contextmanager
def run_lock(engine: sa.Engine, run: str) -> Iterator[None]:
    """Locks a run while the block runs; if the process dies, the operating system or the server frees the lock.

    A run of a database in memory needs no lock, as no other process sees it. The locks of an SQLite file are empty
    files in the folder `FILE-locks` beside it.

    Args:
        engine: The database.
        run: Name of the run.

    Raises:
        ValueError: If another process holds it, or the file system of the database has no locks.
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
        folder = Path(f"{engine.url.database}-locks")
        folder.mkdir(exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(hold_lock(folder / f"{digest.hexdigest()[:16]}.lock"))
            except Timeout as error:
                raise _held_elsewhere(run) from error
            yield


def _held_elsewhere(run: str) -> ValueError:
    return ValueError(f"another process writes run {run!r}; wait for it, or give this one another name")
