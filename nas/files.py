"""Files that are whole or not there, and folders that one process at a time may change.

In: paths. Out: context managers. Knows no content.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_ENDING_S, _LOOK_S = 10.0, 0.2


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a draft to write to, and puts it in the place of `path` when the block ends well.

    A reader, a crash or another process meets the old file or the new one, never a part.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder for this process while a block runs; the system frees it when the process dies.

    A process that was told to end may take a few seconds for it, so as long is waited.

    Raises:
        ValueError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        deadline = time.monotonic() + _ENDING_S
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise ValueError(f"another process works in {folder}; wait for it, or give this job another name")
            time.sleep(_LOOK_S)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
