"""The folder of a job: one process at a time works in it, and it says in which format it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from nas.files import atomic_write, folder_lock

FORMAT = 1  # format of the files in the folders of stages; to be raised whenever older files would be misread
MANIFEST = "manifest.json"


@contextmanager
def open_job_folder(folder: Path) -> Iterator[None]:
    """Locks the folder of a job while the block runs; a new folder gets a file that says its format.

    Raises:
        ValueError: If another process holds the lock, or the folder has another format or none.
    """
    with folder_lock(folder):
        _check_format(folder)
        yield


def _check_format(folder: Path) -> None:
    manifest = folder / MANIFEST
    if not manifest.exists():
        if any(path.is_dir() for path in folder.iterdir()):
            raise ValueError(
                f"{folder} was written by an older nas in a format that this one does not read; give the job another "
                "name, or delete that folder"
            )
        with atomic_write(manifest) as draft:
            draft.write_text(json.dumps({"format": FORMAT, "program": version("nas")}))
        return
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))["format"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} is damaged; restore it, or give the job another name") from error
    if found != FORMAT:
        raise ValueError(
            f"{folder} has format {found!r}, and this nas reads {FORMAT}; use the nas that wrote it, or give the job "
            "another name"
        )
