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
_LITTER = (  # files and folders, in lower case, of Windows, macOS, Linux, Synology, QNAP and Python
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "__macosx"),
    *("lost+found", "@eadir", "#recycle", "@recycle", "@__thumb", "__pycache__"),
)
_NAMED = re.compile(r"(?P<split>[a-z]+)(?:[-_. \d].*)?", re.IGNORECASE)  # train, train-00000-of-00005, val_labels
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # of trainLabels, TRAIN_labels, my-train
_WHAT = re.compile(r"(set|data|images?|labels?|files?|split)$")  # of trainset, testlabels
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
    """Files and folders in a folder that are not hidden and not of a system, in the order of their names."""
    return sorted(entry for entry in folder.iterdir() if not is_litter(entry.name))


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden, or is one that systems leave in folders, such as thumbnails."""
    return name.startswith(".") or name.lower() in _LITTER


def list_files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files with one of the suffixes: the file itself, or those of a folder, of its splits, its only folder or `data`.

    Args:
        path: A file or folder that exists.
        suffixes: Ends of the names of files, in lower case, such as `.parquet`.
    """
    if not path.is_dir():
        return [path] if path.name.lower().endswith(tuple(suffixes)) else []
    return _list_with(path, suffixes) or _list_inside(path, suffixes)


def _list_with(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    ends = tuple(suffixes)
    return [entry for entry in list_visible(folder) if entry.name.lower().endswith(ends) and entry.is_file()]


def _list_inside(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files in the folders of splits in a folder, in its only folder, or in `data`."""
    folders = [entry for entry in list_visible(path) if entry.is_dir()]
    named = [folder for folder in folders if folder.name.lower() in SPLITS]
    inner = folders if len(folders) == 1 else [folder for folder in folders if folder.name.lower() == "data"]
    if not named and inner:
        return list_files(inner[0], suffixes)
    return [file for folder in named for file in _list_with(folder, suffixes)]


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
        _check_unnamed(path, files)
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
    notes += _compare_levels(path, files, suffixes)
    for parts in found.values():
        notes += _check_complete(parts)
    return SplitFiles(found, tuple(notes))


def _find_split(file: Path, root: Path) -> str | None:
    return tell_split(file.name) or (SPLITS.get(file.parent.name.lower()) if file.parent != root else None)


def tell_split(name: str) -> str | None:
    """The split that the name of a file or folder begins with, such as `train` of `train_labels.csv`; None without."""
    named = _NAMED.fullmatch(name)
    return SPLITS.get(named["split"].lower()) if named else None


def list_split_words(name: str) -> set[str]:
    """The splits whose names are anywhere in the name of a file or folder, such as `test` of `my_testset.csv`."""
    words = [word.lower() for word in _WORD.findall(name)]
    return {SPLITS[one] for word in words for one in (word, _WHAT.sub("", word)) if one in SPLITS}


def _check_unnamed(path: Path, files: Sequence[Path]) -> None:
    """Files that are all for training, as none is named as a split, must not seem to be of several splits."""
    words = [list_split_words(file.name) for file in files] if path.is_dir() else []
    if any(words) and not all(word == {"train"} for word in words):
        raise ValueError(
            f"names of files in {path} must begin with the name of their split and a sign or number, such as train-, "
            f"val_ or test., got {_show(files)}; rename them"
        )


def _compare_levels(path: Path, files: Sequence[Path], suffixes: Sequence[str]) -> list[str]:
    """Files in a folder and in its folders of splits, or in its only folder, are not read together."""
    if not path.is_dir() or not any(file.parent == path for file in files):
        return []
    inside = _list_inside(path, suffixes)
    if inside and not any(tell_split(file.name) for file in files if file.parent == path):
        raise ValueError(
            f"{path} must hold files of samples in one place, got {_show(files)} and {_show_inside(inside)}; move one "
            "of them away, or name the one that counts as data.source"
        )
    return [f"left out, as files of splits are beside their folders: {_show_inside(inside)}"] if inside else []


def _show_inside(files: Sequence[Path]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0].parent.name}/{files[0].name}{more}"


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
