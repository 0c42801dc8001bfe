"""The layouts by name, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nas.data.layouts.class_folders import ClassFolders, list_images
from nas.data.layouts.layout import Layout
from nas.data.layouts.numpy_files import NumpyFiles
from nas.data.layouts.parquet import ParquetFiles
from nas.data.layouts.records import StoredSplits
from nas.data.layouts.saved_datasets import SavedDatasets
from nas.data.layouts.tables import Tables, describe_tables, has_samples, name_splits
from nas.data.layouts.tar_shards import TarShards
from nas.data.reading import Columns
from search_spaces.registry import Registry

LAYOUTS: Registry[Layout] = Registry(
    "data layout",
    {
        "saved_datasets": SavedDatasets(),
        "parquet": ParquetFiles(),
        "tar_shards": TarShards(),
        "numpy_files": NumpyFiles(),
        "tables": Tables(),
        "class_folders": ClassFolders(),
    },
    lambda entry: isinstance(entry, Layout),
)


def read_path(path: Path, columns: Columns) -> StoredSplits:
    """Lists the samples in a folder or file by the layout that recognises it.

    A table without the columns of samples, such as a list of prices, is left out beside data of another layout.

    Args:
        path: The folder or file.
        columns: The columns to read, where the layout has columns.

    Raises:
        ValueError: If there is no such folder or file, or no layout or several recognise it.
    """
    files, notes = _find_layouts(path), list[str]()
    folders = next((layout for layout in files if isinstance(layout, ClassFolders)), None)
    files = [layout for layout in files if layout is not folders]
    images = list_images(path) if folders and files and not columns.text else []
    tables = next((layout for layout in files if isinstance(layout, Tables)), None)
    stated = columns.inputs is not None or bool(columns.labels)
    if tables and (len(files) > 1 or (images and not stated)) and not has_samples(path, columns):
        files.remove(tables)
        notes.append("left out, as they have no columns of samples: " + describe_tables(path))
    if len(files) > 1 or (files and images and files[0] is not tables):
        kinds = [layout.expected for layout in files] + ([folders.expected] if folders and images else [])
        raise ValueError(
            f"{path} must hold data of one layout, got those of {len(kinds)}: {'; '.join(kinds)}; move one of them "
            "away, or name the file or folder that counts as data.source"
        )
    layout = files[0] if files else folders
    assert layout is not None  # one or more were found, and tables are left out beside others alone
    stored = layout.read(path, columns)
    if layout is tables and images:
        notes += _compare_images(path, stored, images)
    return replace(stored, notes=(*stored.notes, *notes))


def _find_layouts(path: Path) -> list[Layout]:
    """All layouts that recognise a folder or file, one or more."""
    found = [LAYOUTS[name] for name in LAYOUTS if path.exists() and LAYOUTS[name].recognizes(path)]
    if not found:
        expected = ", ".join(LAYOUTS[name].expected for name in LAYOUTS)
        what = "no data of a known layout" if path.exists() else "no data"
        raise ValueError(f"{what} at {str(path)!r}: expected 'digits', {expected}")
    return found


def _compare_images(path: Path, stored: StoredSplits, images: Sequence[Path]) -> list[str]:
    """A line on images in folders of classes that are in no row; an error if most are, and the choice is not clear."""
    parts = [part for part in (stored.train, stored.validation, stored.test) if part is not None]
    listed = {file.absolute() for part in parts for file in part.files or ()}
    left = sum(file.absolute() not in listed for file in images)
    if not (2 * left <= len(images) or name_splits(path)):
        raise ValueError(
            f"{path} must hold data of one layout, got folders of classes with {len(images)} images and a table with "
            f"{len(images) - left} of them, {describe_tables(path)}; move one of them away, or name the table "
            "as data.source"
        )
    return [f"images in folders beside the tables that are in no row: {left}"] if left else []
