"""A lock between processes by a file; the operating system frees it when its holder dies."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_POLL_S = 0.2  # short beside the time that a person notices


@contextmanager
def hold_lock(path: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Holds a lock while a block runs.

    The file is created if it is missing, is neither followed as a link nor written to, and stays when the lock is free:
    whoever unlinks a lock file lets two processes hold what has one name.

    Args:
        path: The lock file, of which nothing but its name counts. Its folder must exist.
        patience_s: How long to wait for another holder, in seconds.

    Raises:
        filelock.Timeout: If another process holds it all that time.
        ValueError: If the file system has no locks, or the name is that of a symbolic link.
        OSError: If the file cannot be created.
    """
    # no fallback to a lock by the existence of a file, which would remain after a process is killed
    lock = FileLock(path, timeout=patience_s, poll_interval=_POLL_S, fallback_to_soft=False)
    try:
        lock.acquire()
    except TimeoutError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(f"a lock is a file of its own, and {path} is a symbolic link; delete that link") from error
        if error.filename is None:  # the file is open, so it is the locking that failed
            raise ValueError(
                f"{path.parent} cannot be locked ({error.strerror}), so two processes could spoil each other's work "
                "there; take a folder (--runs, --database) on a local disk, or mount that file system with locks"
            ) from error
        raise
    try:
        yield
    finally:
        lock.release()
