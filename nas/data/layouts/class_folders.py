"""A folder with a sub-folder of images for each class, or with one such folder for each split; or images alone."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from pathlib import Path
from typing import overload

from nas.data.layouts.columns import combine_labels, refuse_columns
from nas.data.layouts.file_paths import FilePaths
from nas.data.layouts.layout import Layout
from nas.data.layouts.records import FileRecords, StoredSplits
from nas.data.layouts.split_files import SPLITS, is_litter, list_split_words, list_visible
from nas.data.reading import Columns
from nas.tasks.task import RawLabels

# Ends of the names of images. Other files are skipped and counted, such as notes, lists, and images of other formats.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"),
    *(".pnm", ".tga", ".jp2", ".avif", ".ico"),
)


class ClassFolders(Layout):
    """`FOLDER/CLASS/IMAGE`, or `FOLDER/train|val|test/CLASS/IMAGE`; images may lie deeper, and without labels anywhere.

    Hidden files and folders, files that are no images by name, and images beside folders of classes or splits are
    skipped; a note counts the latter two. A folder that holds nothing but one folder, of folders, stands for that.
    """

    expected = "a folder with a sub-folder of images per class or with train/CLASS, val/CLASS and test/CLASS"

    def recognizes(self, path: Path) -> bool:
        """Whether it is a folder with a folder that is not hidden, or with an image."""
        return path.is_dir() and (bool(_list_folders(path)) or any(_is_image(entry, path) for entry in path.iterdir()))

    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Lists the images; names of folders are the labels."""
        refuse_columns(columns, "folders of classes")
        if not columns.labelled:
            return _read_unlabelled(find_root(path))
        root, skipped = find_root(path), Counter[str]()
        folders = _list_folders(root)
        if not folders:
            raise ValueError(
                f"{root} must have a sub-folder of images per class, got images alone; for images without labels state "
                "data.labelled: false"
            )
        splits, notes = _find_splits(root, folders)
        names = tuple(
            sorted({one.name for folder in splits.values() for one in _list_folders(folder)})
            if splits
            else [folder.name for folder in folders]
        )
        records = {split: _read(folder, names, skipped) for split, folder in (splits or {"train": root}).items()}
        if splits:
            skipped.update(_count_loose(root))
        return StoredSplits.of(records, names=names, notes=(*notes, *_note_skipped(skipped)))


def find_root(path: Path) -> Path:
    """The folder that holds the folders of classes or splits: itself, or what it holds as its only folder."""
    while (
        len(folders := _list_folders(path)) == 1 and _list_folders(folders[0]) and folders[0].name.lower() not in SPLITS
    ):
        if any(_is_image(entry, path) for entry in path.iterdir()):
            break
        path = folders[0]
    return path


def list_images(path: Path) -> list[Path]:
    """The images in two or more folders of classes, or in those of a split; none where there are no such folders."""
    root = find_root(path)
    parts = [folder for folder in _list_folders(root) if folder.name.lower() in SPLITS and _list_folders(folder)]
    found = [[file for file in _walk(folder) if _is_image(file, folder)] for folder in _list_folders(root)]
    several = sum(map(bool, found)) > 1
    return [file for images in found for file in images] if several or parts else []


def _find_splits(root: Path, folders: Sequence[Path]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folder of each split, or none if the folders are classes, and notes.

    A class may be named as a split, such as `train`, where its folder holds the images themselves.
    """
    splits = {SPLITS[folder.name.lower()]: folder for folder in folders if folder.name.lower() in SPLITS}
    named = [folder for folder in folders if list_split_words(folder.name)]
    flat = not any(map(_list_folders, named)) and all(any(_is_image(one, at) for one in at.iterdir()) for at in named)
    shown = ", ".join(folder.name for folder in named[:5])
    if not named:
        return {}, ()
    if flat and len(splits) < 2 and len(named) <= len(folders) - len(named):
        return {}, (f"read as classes, though named as splits, as they hold images and no folders: {shown}",)
    if "train" not in splits:
        raise ValueError(
            f"{root} must have a folder train where others are named as splits, such as val and test, got {shown}; "
            "name those of splits train, val and test, or name classes otherwise"
        )
    if len(splits) < len(folders):
        raise ValueError(
            f"{root} must hold either folders of classes or the splits train, val and test, got both: "
            f"{', '.join(folder.name for folder in folders[:10])}"
        )
    return splits, ()


@dataclass(frozen=True)
class _Places:
    """The places of files."""

    paths: FilePaths

    def __call__(self, row: int) -> str:
        return str(self.paths[row])


class _RepeatedNames(Sequence[str]):
    """The name of the class of each image: images lie class by class, so their numbers say all."""

    def __init__(self, names: Sequence[str], counts: Sequence[int]) -> None:
        self._names, self._ends = names, [*accumulate(counts)]

    def __len__(self) -> int:
        return self._ends[-1]

    def __iter__(self) -> Iterator[str]:
        for name, start, end in zip(self._names, [0, *self._ends], self._ends, strict=False):
            yield from repeat(name, end - start)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        return self._names[bisect(self._ends, range(len(self))[row])]


def _read(folder: Path, names: tuple[str, ...], skipped: Counter[str]) -> FileRecords:
    """The images in the folders of classes; what else is there is counted by its kind."""
    parts = [FilePaths.of(folder, _list_class(folder / name, skipped)) for name in names]
    if not any(map(len, parts)):
        raise ValueError(f"the sub-folders of {folder} hold no images, such as .jpg or .png files")
    skipped.update(_count_loose(folder))
    paths, labels = FilePaths.join(parts), _RepeatedNames(names, [*map(len, parts)])
    return FileRecords(paths, RawLabels(labels, _Places(paths), str(folder)))


def _read_unlabelled(root: Path) -> StoredSplits:
    """All images of a folder, or of those of its splits, which are told as with labels; what is left out is counted."""
    (splits, notes), skipped, records = _find_splits(root, _list_folders(root)), Counter[str](), {}
    for split, folder in (splits or {"train": root}).items():
        paths = FilePaths.of(folder, _list_class(folder, skipped))
        if not len(paths):
            raise ValueError(f"{folder} holds no images, such as .jpg or .png files")
        records[split] = FileRecords(paths, RawLabels(combine_labels([], len(paths)), _Places(paths), str(folder)))
    if splits:
        skipped.update(_count_loose(root))
    return StoredSplits.of(records, notes=(*notes, *_note_skipped(skipped)))


def _count_loose(folder: Path) -> Counter[str]:
    """The images that lie in a folder itself, by their kind."""
    return Counter(_describe(file) for file in list_visible(folder) if _is_image(file, folder))


def _note_skipped(skipped: Counter[str]) -> tuple[str, ...]:
    """One note on the files that were left out, if there are any."""
    shown = ", ".join(f"{count} {kind}" for kind, count in skipped.most_common(10))
    left_out = "left out, as they are no images by name, or lie beside the folders of classes or splits"
    return (f"{left_out}: {shown}",) if skipped else ()


def _list_class(folder: Path, skipped: Counter[str]) -> list[Path]:
    files = [file for file in sorted(_walk(folder)) if not _is_hidden(file, folder)]
    found = [file for file in files if _is_image(file, folder)]
    skipped.update(map(_describe, sorted(set(files) - set(found))))
    return found


def _list_folders(path: Path) -> list[Path]:
    """The folders in a folder, but for links to itself or to what it lies in, which hold no class of their own."""
    inside = path.resolve()
    folders = (entry for entry in list_visible(path) if entry.is_dir())
    return [entry for entry in folders if not (entry.is_symlink() and inside.is_relative_to(entry.resolve()))]


def _walk(folder: Path) -> Iterator[Path]:
    """All files in a folder, however deep, and links that lead nowhere."""
    return (file for file in folder.rglob("*") if not file.is_dir())


def _is_hidden(file: Path, root: Path) -> bool:
    """Whether a file is hidden or of a system, or lies in such a folder."""
    return any(map(is_litter, file.relative_to(root).parts))


def _is_image(file: Path, root: Path) -> bool:
    return not _is_hidden(file, root) and file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()


def _describe(file: Path) -> str:
    kind = file.suffix.lower() or "without an end"
    return kind if file.exists() else f"{kind} (links that lead nowhere)"
