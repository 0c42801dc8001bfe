"""Which files and folders hold which split, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

SPLITS = {  # names of folders and files of splits, in lower case
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_NAMED = re.compile(r"(?P<split>[a-z]+)(?:[-_.]?\d.*)?", re.IGNORECASE)  # train, train-00000-of-00005, val_003
_OF_ALL = re.compile(r"-(?P<number>\d+)-of-(?P<count>\d+)")
_NUMBERED = re.compile(r"(?P<name>.*?)(?P<number>\d+)")


@dataclass(frozen=True)
class SplitFiles:
    """The files of each split.

    Attributes:
        files: Files of each split in the order of their names; `train` is among the splits.
        notes: Lines on files that were left out, or seem to be missing.
    """

    files: Mapping[str, tuple[Path, ...]]
    notes: tuple[str, ...] = ()


def list_visible(folder: Path) -> list[Path]:
    """Files and folders in a folder that are not hidden, in the order of their names."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def list_files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files with one of the suffixes: the file itself, or those of a folder, of its splits, its only folder or `data`.

    Args:
        path: A file or folder that exists.
        suffixes: Ends of the names of files, in lower case, such as `.parquet`.
    """
    ends = tuple(suffixes)
    if not path.is_dir():
        return [path] if path.name.lower().endswith(ends) else []
    entries = list_visible(path)
    if found := [entry for entry in entries if entry.name.lower().endswith(ends) and entry.is_file()]:
        return found
    folders = [entry for entry in entries if entry.is_dir()]
    named = [folder for folder in folders if folder.name.lower() in SPLITS]
    inner = folders if len(folders) == 1 else [folder for folder in folders if folder.name.lower() == "data"]
    if not named and inner:
        return list_files(inner[0], suffixes)
    inside = (file for folder in named for file in list_visible(folder))
    return [file for file in inside if file.name.lower().endswith(ends) and file.is_file()]


def find_split_files(path: Path, suffixes: Sequence[str]) -> SplitFiles:
    """Sorts files by the splits that their names tell, or those of their folders; without such names all are `train`.

    Args:
        path: A file or folder that exists.
        suffixes: Ends of the names of files, in lower case, such as `.parquet`.

    Raises:
        ValueError: If no file is for training, or a part of several is missing.
    """
    files = list_files(path, suffixes)
    splits = {file: _find_split(file, path) for file in files}
    if not any(splits.values()):
        splits = dict.fromkeys(files, "train")
    found = {
        name: tuple(file for file in files if splits[file] == name)
        for name in ("train", "validation", "test")
        if name in splits.values()
    }
    if "train" not in found:
        raise ValueError(f"{path} must have files for training, such as train{suffixes[0]}, got {_show(files)}")
    skipped = [file for file in files if splits[file] is None]
    notes = [f"left out, as no name of a split begins the name: {_show(skipped)}"] if skipped else []
    for parts in found.values():
        notes += _check_complete(parts)
    return SplitFiles(found, tuple(notes))


def _find_split(file: Path, root: Path) -> str | None:
    stem = file.name.split(".")[0]
    named = _NAMED.fullmatch(stem)
    own = SPLITS.get(named["split"].lower()) if named else None
    return own or (SPLITS.get(file.parent.name.lower()) if file.parent != root else None)


def _check_complete(files: Sequence[Path]) -> list[str]:
    """Lines on gaps in the numbers of files; a part that the others' names count is an error."""
    counted = [(file, match) for file in files if (match := _OF_ALL.search(file.name))]
    for file, match in counted:
        numbers = {int(other["number"]) for _, other in counted if other["count"] == match["count"]}
        if missing := sorted(set(range(min(int(match["count"]), 10**6))) - numbers):
            width = len(match["number"])
            raise ValueError(
                f"{file.parent} must have all {int(match['count'])} parts of {file.name}, and lacks number "
                f"{missing[0]:0{width}}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            )
    if counted or len(files) < 2:
        return []
    numbered = [match for file in files if (match := _NUMBERED.match(file.name))]
    gaps = [
        (one["name"], int(one["number"]) + 1)
        for one, other in pairwise(numbered)
        if one["name"] == other["name"] and int(other["number"]) > int(one["number"]) + 1
    ]
    return [f"no file {name}{number}, though later numbers are there" for name, number in gaps[:1]]


def _show(files: Sequence[Path]) -> str:
    return ", ".join(file.name for file in files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
