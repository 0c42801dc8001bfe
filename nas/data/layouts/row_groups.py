"""Parquet files, read row group by row group in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.quoting import describe_error

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BUFFER_BYTES = 2**20
_KEPT_OPEN = 64  # files: as many as a window of samples in random order may come from
_KEPT_BYTES = 64 * 2**20  # a window of samples in random order, and the beginning of the next


def open_parquet(path: Path) -> pq.ParquetFile:
    """Opens a Parquet file whose pages are checked by their sums as they are read."""
    import pyarrow.parquet as pq

    # a buffer, or a whole column of a row group would be read before the first page of it is decoded
    return pq.ParquetFile(path, page_checksum_verification=True, buffer_size=_BUFFER_BYTES)


@lru_cache(maxsize=_KEPT_OPEN)
def _keep_open(path: Path, _mtime_ns: int) -> pq.ParquetFile:
    """A file of which whole row groups are read, without a buffer: to open it costs more than to read one."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, page_checksum_verification=True)


@contextmanager
def naming_damage(path: Path, column: str) -> Iterator[None]:
    """Names the file in the errors of a block that reads it.

    Args:
        path: The file.
        column: The column that is read.

    Raises:
        ValueError: If the block cannot read the file.
    """
    import pyarrow as pa

    try:
        yield
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise ValueError(f"{path} is damaged in column {column}: {describe_error(error)}") from error


class _RowGroups:
    """The row groups that this process read last, as many as fit into memory that is set aside for them."""

    def __init__(self, most_bytes: int) -> None:
        self._kept: OrderedDict[tuple[Path, str, int], pa.ChunkedArray] = OrderedDict()
        self._most_bytes, self._bytes = most_bytes, 0

    def clear(self) -> None:
        """Frees the memory, where other processes go on reading."""
        self._kept.clear()
        self._bytes = 0

    def read(self, path: Path, column: str, group: int) -> pa.ChunkedArray:
        """The cells of a column in a row group.

        Args:
            path: The file.
            column: The column.
            group: Index of the row group.
        """
        key = (path, column, group)
        if key not in self._kept:
            with naming_damage(path, column):
                file = _keep_open(path, path.stat().st_mtime_ns)
                cells = file.read_row_group(group, columns=[column], use_threads=False)[column]
            self._bytes += cells.nbytes  # a running sum: to add up those of all costs as much as to read one
            while self._kept and self._bytes > self._most_bytes:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
            self._kept[key] = cells
        self._kept.move_to_end(key)
        return self._kept[key]


ROW_GROUPS = _RowGroups(_KEPT_BYTES)
