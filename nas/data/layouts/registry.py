"""The layouts by name, in the order in which they are tried."""

from __future__ import annotations

from pathlib import Path

from nas.data.layouts.class_folders import ClassFolders
from nas.data.layouts.layout import Layout
from nas.data.layouts.numpy_files import NumpyFiles
from nas.data.layouts.parquet import ParquetFiles
from nas.data.layouts.saved_datasets import SavedDatasets
from nas.data.layouts.tables import Tables
from nas.data.layouts.tar_shards import TarShards
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


def find_layout(path: Path) -> Layout:
    """The first layout that recognises a folder or file.

    Raises:
        ValueError: If there is no such folder or file, or no layout recognises it.
    """
    if path.exists():
        for name in LAYOUTS:
            if LAYOUTS[name].recognizes(path):
                return LAYOUTS[name]
    expected = ", ".join(LAYOUTS[name].expected for name in LAYOUTS)
    what = "no data of a known layout" if path.exists() else "no data"
    raise ValueError(f"{what} at {str(path)!r}: expected 'digits', {expected}")
