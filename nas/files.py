"""Files that are written completely or not at all, and folders that one process at a time may change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_ENDING_S = 10.0  # an interrupted process may need this long to write its results, so the next one waits for it
_POLL_S = 0.2  # short beside the time that a person notices


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a draft file to write to, which replaces `path` when the block ends without an error.

    Other processes read the old file or the new one, never a part of one, even if this process is killed.
    """
    # In the same folder, as a rename is atomic only within a file system; with the process id, so that two processes
    # that write the same file have a draft each.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Locks a folder for this process while a block runs; the operating system unlocks it if the process dies.

    Raises:
        ValueError: If another process has locked the folder and does not unlock it within 10 seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # no fallback to a lock by the existence of a file, which would remain after a process is killed
    lock = FileLock(folder / ".lock", timeout=_ENDING_S, poll_interval=_POLL_S, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(f"another process works in {folder}; wait for it, or give this job another name") from error
    try:
        yield
    finally:
        lock.release()
