"""A folder with a sub-folder of images for each class, or with one such folder for each split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.data.layouts.layout import Layout
from nas.data.layouts.records import FileRecords, StoredSplits
from nas.data.layouts.split_files import SPLITS, list_visible
from nas.data.reading import Columns
from nas.tasks.task import RawLabels

# File names of images. Other files are skipped, such as Thumbs.db, desktop.ini, notes and lists beside the images.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"),
    *(".pnm", ".tga", ".jp2", ".avif", ".ico"),
)


class ClassFolders(Layout):
    """`FOLDER/CLASS/IMAGE`, or `FOLDER/train|val|test/CLASS/IMAGE`; images may lie deeper.

    Hidden files and folders, and files that are no images by name, are skipped.
    """

    expected = "a folder with a sub-folder of images per class or with train/CLASS, val/CLASS and test/CLASS"

    def recognizes(self, path: Path) -> bool:
        """Whether it is a folder with a folder that is not hidden."""
        return path.is_dir() and bool(_list_folders(path))

    def read(self, path: Path, columns: Columns) -> StoredSplits:  # noqa: ARG002 there are none
        """Lists the images; names of folders are the labels."""
        folders = _list_folders(path)
        splits = {SPLITS[folder.name.lower()]: folder for folder in folders if folder.name.lower() in SPLITS}
        if "train" not in splits:
            names = tuple(folder.name for folder in folders)
            return StoredSplits(_read(path, names), names=names)
        if len(splits) < len(folders):
            raise ValueError(
                f"{path} must hold either folders of classes or the splits train, val and test, got both: "
                f"{', '.join(folder.name for folder in folders)}"
            )
        names = tuple(sorted({one.name for folder in splits.values() for one in _list_folders(folder)}))
        records = {split: _read(folder, names) for split, folder in splits.items()}
        return StoredSplits.of(records, names=names)


@dataclass(frozen=True)
class _Places:
    """The places of files."""

    paths: tuple[Path, ...]

    def __call__(self, row: int) -> str:
        return str(self.paths[row])


def _read(folder: Path, names: tuple[str, ...]) -> FileRecords:
    paths, labels = list[Path](), list[str]()
    for name in names:
        found = [file for file in sorted((folder / name).rglob("*")) if _is_image(file, folder / name)]
        paths += found
        labels += [name] * len(found)
    if not paths:
        raise ValueError(f"the sub-folders of {folder} hold no images, such as .jpg or .png files")
    return FileRecords(tuple(paths), RawLabels(labels, _Places(tuple(paths)), str(folder)))


def _list_folders(path: Path) -> list[Path]:
    return [entry for entry in list_visible(path) if entry.is_dir()]


def _is_image(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return not hidden and file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
