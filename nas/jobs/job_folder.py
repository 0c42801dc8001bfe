"""The folder of a job: one process at a time works in it, and it says in which format it was written."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hardware.input_file import read_text
from nas.files import atomic_write
from nas.folder_lock import folder_lock
from nas.jobs.stage_folder import StageFolder
from search_spaces.quoting import quote

FORMAT = 2  # format of the files in the folders of stages; to be raised whenever older files would be misread
MANIFEST = "manifest.json"
_WITHOUT_MANIFESTS = 1  # the format of before, in which a stage was finished if its files were there
_MOST_BYTES = 1 << 16  # of the file that says the format
# What a finished stage left in that format, by the beginning of its folder's name; with all files of `networks.csv`.
_FINISHED = {
    "train": ("supernet.safetensors",),
    "network": ("network.safetensors", "network.txt"),
    "profile": ("latency.parquet",),
    "export": ("networks.csv",),
    "finetune": ("networks.csv", "supernet.safetensors"),
}


@contextmanager
def open_job_folder(folder: Path) -> Iterator[list[str]]:
    """Locks the folder of a job while the block runs; a new folder gets a file that says its format.

    In a folder of the format before, finished stages get the manifests that they lack: their files are taken as they
    are.

    Yields:
        Lines for the user, one for each of these stages.

    Raises:
        ValueError: If another process holds the lock, or the folder has another format or none.
    """
    with folder_lock(folder):
        found = _read_format(folder)
        said = _add_manifests(folder) if found == _WITHOUT_MANIFESTS else []
        if found != FORMAT:
            with atomic_write(folder / MANIFEST) as draft:
                draft.write_text(json.dumps({"format": FORMAT, "program": version("nas")}))
        yield said


def _read_format(folder: Path) -> int | None:
    """The format of a folder, which this program reads; None if the folder is new.

    Raises:
        ValueError: If it is another format, or an old folder names none.
    """
    manifest = folder / MANIFEST
    if not manifest.exists():
        if any(path.is_dir() for path in folder.iterdir()):
            raise ValueError(
                f"{folder} was written by an older nas in a format that this one does not read; give the job another "
                "name, or delete that folder"
            )
        return None
    try:
        found: Any = json.loads(read_text(manifest, _MOST_BYTES))["format"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} is damaged; restore it, or give the job another name") from error
    if type(found) is not int or found not in (_WITHOUT_MANIFESTS, FORMAT):
        raise ValueError(
            f"{folder} has format {quote(found)}, and this nas reads {_WITHOUT_MANIFESTS} and {FORMAT}; use the "
            "nas that wrote it, or give the job another name"
        )
    return found


def _add_manifests(folder: Path) -> list[str]:
    """Writes manifests for the stages that were finished by the rules of before; returns a line for each."""
    lines = []
    for path in sorted(one for one in folder.iterdir() if one.is_dir()):
        names, stage = _list_finished(path), StageFolder(path)
        if names and not stage.list_files():
            stage.record(*names)
            lines.append(f"{path.name.partition('-')[0]:<8} {path} was finished before manifests were; taken as it is")
    return lines


def _list_finished(path: Path) -> list[str]:
    """Names of the files that a finished stage of before left; none if it was not finished."""
    names = [*_FINISHED.get(path.name.partition("-")[0], ())]
    if "networks.csv" in names and (path / "networks.csv").is_file():
        with (path / "networks.csv").open(encoding="utf-8", errors="replace", newline="") as file:
            listed = [str(row.get("file")) for row in csv.DictReader(file)]
        names += [name for name in (*listed, "layers.csv") if name != "layers.csv" or (path / name).is_file()]
    return names if all(Path(name).name == name and (path / name).is_file() for name in names) else []
