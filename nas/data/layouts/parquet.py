"""A folder with Parquet files of encoded images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas.data.decoding.decoder import Stored
from nas.data.layouts.layout import Layout
from nas.data.layouts.records import Records, StoredSplits
from nas.data.reading import Columns
from nas.tasks.task import RawLabels

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class ParquetFolder(Layout):
    """`FOLDER/train.parquet` and `FOLDER/test.parquet`, with columns `image` (encoded bytes) and `label`."""

    expected = "a folder with train.parquet"

    def recognizes(self, path: Path) -> bool:
        """Whether it is a folder with a `train.parquet`."""
        return (path / "train.parquet").is_file()

    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Reads the columns of labels."""
        return StoredSplits(
            read_parquet(path / "train.parquet", columns), test=read_parquet(path / "test.parquet", columns)
        )


@dataclass(frozen=True)
class ParquetRecords(Records):
    """Samples in a Parquet file, of which one row group is in memory at a time.

    Attributes:
        path: The file.
        column: The column of inputs.
        labels: The label of each row.
        sizes: Number of rows of each row group.
    """

    path: Path
    column: str
    labels: RawLabels
    sizes: tuple[int, ...]

    @property
    def block_sizes(self) -> tuple[int, ...] | None:
        """The row groups."""
        return self.sizes

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The cells at rows, those of each row group in one reading."""
        starts = np.cumsum([0, *self.sizes])
        groups = np.searchsorted(starts, rows, side="right") - 1
        found: list[Stored] = [None] * len(rows)
        for group in np.unique(groups):
            cells = _read_group(self.path, self.column, int(group))
            for place in np.flatnonzero(groups == group).tolist():
                found[place] = cells[rows[place] - int(starts[group])].as_py()
        return found


def read_parquet(path: Path, columns: Columns) -> ParquetRecords:
    """The samples of a Parquet file.

    Args:
        path: The file.
        columns: Names of the columns of inputs and labels.

    Raises:
        ValueError: If it is missing, damaged or empty, or lacks the columns.
    """
    import pyarrow as pa

    if not path.is_file():
        raise ValueError(f"{path} is missing; data in Parquet files are a train.parquet and a test.parquet")
    inputs, label = columns.inputs or "image", (columns.labels or ("label",))[0]
    try:
        file = _open(path)
        missing = [name for name in (inputs, label) if name not in file.schema_arrow.names]
        if missing:
            raise pa.ArrowInvalid(f"it has no column {missing[0]}, but {', '.join(file.schema_arrow.names)}")
        labels = file.read(columns=[label])[label].to_pylist()
        sizes = tuple(file.metadata.row_group(number).num_rows for number in range(file.num_row_groups))
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} must be a Parquet file with columns {inputs} and {label}: {reason}") from error
    if not labels:
        raise ValueError(f"{path} holds no images")
    return ParquetRecords(path, inputs, RawLabels(labels, _Rows(path), str(path)), sizes)


@dataclass(frozen=True)
class _Rows:
    """The places of rows."""

    path: Path

    def __call__(self, row: int) -> str:
        return f"{self.path} row {row}"


def _open(path: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, page_checksum_verification=True)


@lru_cache(maxsize=1)
def _read_group(path: Path, column: str, group: int) -> pa.ChunkedArray:
    """The cells of a column in a row group; the last one that was read is kept."""
    import pyarrow as pa

    try:
        with _open(path) as file:
            return file.read_row_group(group, columns=[column], use_threads=False)[column]
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged in row group {group} of column {column}: {reason}") from error
