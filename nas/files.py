"""Files that are whole or not there, and folders that one process at a time may change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

# A process that was told to end may still need this long to write what it holds, so a successor waits for it.
_ENDING_S = 10.0
_POLL_S = 0.2


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a draft file to write to, which takes the place of `path` when the block ends without an error.

    A reader, a crash or another process meets the old file or the new one, never a part of one.
    """
    # in the same folder, for only within one file system is a rename atomic; by process, so that two never share one
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Holds a folder for this process while a block runs; the system frees it when the process dies.

    Raises:
        ValueError: If another process holds it, and still does after the seconds that a process may take to end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # no fallback to a lock that is a mere file: it would outlive a killed process
    lock = FileLock(folder / ".lock", timeout=_ENDING_S, poll_interval=_POLL_S, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(f"another process works in {folder}; wait for it, or give this job another name") from error
    try:
        yield
    finally:
        lock.release()
