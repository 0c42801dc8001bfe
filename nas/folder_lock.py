"""Folders that one process at a time may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import Timeout

from results.file_lock import hold_lock

_ENDING_S = 10.0  # an interrupted process may need this long to write its results, so the next one waits for it


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Locks a folder for this process while a block runs; the operating system unlocks it if the process dies.

    Raises:
        ValueError: If another process has locked the folder and does not unlock it within 10 seconds, or its file
            system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(hold_lock(folder / ".lock", _ENDING_S))
        except Timeout as error:
            raise ValueError(
                f"another process works in {folder}; wait for it, or give this job another name"
            ) from error
        yield
