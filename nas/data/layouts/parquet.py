"""Parquet files of encoded images or texts, and labels, whole or in parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.data.decoding.decoder import Stored
from nas.data.layouts.columns import IMAGES, TEXTS, combine_labels, find_columns, name_outputs, refuse_split_column
from nas.data.layouts.joined_records import JoinedRecords
from nas.data.layouts.layout import Layout
from nas.data.layouts.records import Records, StoredSplits, group_rows
from nas.data.layouts.row_groups import ROW_GROUPS, naming_damage, open_parquet
from nas.data.layouts.split_files import find_split_files, list_files
from nas.data.reading import Columns
from nas.tasks.task import NumberedPlaces, RawLabels
from search_spaces.quoting import describe_error

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_SUFFIXES = (".parquet",)

_BATCH_ROWS = 64  # rows that a scan has in memory


class ParquetFiles(Layout):
    """`train.parquet`, or `train-00000-of-00005.parquet` and so on, in a folder, in its folder `data`, or in `train/`.

    Images are bytes, or structs with a field `bytes` as Hugging Face's `datasets` writes them; its class names count.
    """

    expected = "a folder with train.parquet or data/train-00000-of-00001.parquet"

    def recognizes(self, path: Path) -> bool:
        """Whether there is a Parquet file."""
        return bool(list_files(path, _SUFFIXES))

    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Reads the columns of labels."""
        found = find_split_files(path, _SUFFIXES)
        parts = {name: [read_parquet(file, columns) for file in files] for name, files in found.files.items()}
        names = {_read_names(part.path, columns) for records in parts.values() for part in records}
        if len(names) > 1:
            raise ValueError(
                f"all Parquet files of {path} must have the same class names, got {sorted(map(str, names))}"
            )
        joined = {
            name: records[0] if len(records) == 1 else JoinedRecords(tuple(records)) for name, records in parts.items()
        }
        return StoredSplits.of(joined, names=names.pop(), notes=found.notes)


@dataclass(frozen=True)
class ParquetRecords(Records):
    """Samples in a Parquet file, of which one row group is in memory at a time.

    Attributes:
        path: The file.
        column: The column of inputs.
        labels: The label of each row.
        sizes: Number of rows of each row group.
        group_bytes: Size of the column in the largest row group, in bytes.
    """

    path: Path
    column: str
    labels: RawLabels
    sizes: tuple[int, ...]
    group_bytes: int

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return tuple(accumulate(self.sizes, initial=0))

    @property
    def files(self) -> tuple[Path, ...] | None:
        """The file."""
        return (self.path,)

    @property
    def block_bytes(self) -> int:
        """The largest row group."""
        return self.group_bytes

    @property
    def block_sizes(self) -> tuple[int, ...] | None:
        """The row groups."""
        return self.sizes

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The cells at rows, those of each row group in one reading."""
        found: list[Stored] = [None] * len(rows)
        for group, places, own in group_rows(self._starts, rows):
            cells = ROW_GROUPS.read(self.path, self.column, group)
            for place, row in zip(places, own, strict=True):
                cell = cells[row].as_py()
                found[place] = take_bytes(cell, self.where(rows[place])) if isinstance(cell, dict) else cell
        return found

    def scan(self) -> Iterator[list[Stored]]:
        """All cells in order, page by page, whatever the size of row groups."""
        with naming_damage(self.path, self.column), open_parquet(self.path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=[self.column], use_threads=False):
                cells = batch.column(0).to_pylist()
                yield [take_bytes(cell, str(self.path)) if isinstance(cell, dict) else cell for cell in cells]


def take_bytes(cell: dict[str, Any], where: str) -> bytes | None:
    """The bytes of a struct in which `datasets` keeps an image; None if there is none.

    Args:
        cell: Its fields.
        where: Its place, for messages.

    Raises:
        ValueError: If it holds the path of a file instead.
    """
    if cell.get("bytes") is None and cell.get("path") is not None:
        raise ValueError(f"{where} holds the path of an image, not its bytes; store the bytes (embed_external_files)")
    return cell.get("bytes")


def read_parquet(path: Path, columns: Columns) -> ParquetRecords:
    """The samples of a Parquet file.

    Args:
        path: The file.
        columns: Names of the columns of inputs and labels.

    Raises:
        ValueError: If it is missing, damaged or empty, or lacks the columns.
    """
    import pyarrow as pa

    try:
        with open_parquet(path) as file:
            if file.metadata.num_rows == 0:
                raise ValueError(f"{path} holds no {'texts' if columns.text else 'images'}")
            inputs, names = _find_columns(file, columns, path)
            read = lambda name: file.read(columns=[name])[name].to_pylist()  # noqa: E731
            refuse_split_column(file.schema_arrow.names, (inputs, *names), read, str(path))
            table = file.read(columns=list(names))
            labels = combine_labels([table[name].to_pylist() for name in names], file.metadata.num_rows)
            groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
            largest = max(_column_bytes(group, inputs) for group in groups)
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise ValueError(f"{path} must be a Parquet file: {describe_error(error)}") from error
    rows = tuple(group.num_rows for group in groups)
    if not len(labels) == sum(rows) > 0:
        raise ValueError(f"{path} is damaged: it states {sum(rows)} rows in groups, and has {len(labels)} labels")
    return ParquetRecords(path, inputs, RawLabels(labels, NumberedPlaces(f"{path} row "), str(path)), rows, largest)


def _column_bytes(group: pq.RowGroupMetaData, name: str) -> int:
    """Size in bytes of a column, with all that is nested in it, in a row group."""
    columns = [group.column(number) for number in range(group.num_columns)]
    return sum(one.total_uncompressed_size for one in columns if one.path_in_schema.split(".")[0] == name)


def parse_class_names(features: Any, label: str) -> tuple[str, ...] | None:
    """The class names of a column in the features that `datasets` writes as JSON; None if it states none.

    Args:
        features: The features of all columns.
        label: The column.
    """
    return _find_names(features.get(label)) if isinstance(features, dict) else None


def _find_names(feature: Any) -> tuple[str, ...] | None:
    if isinstance(feature, list) and len(feature) == 1:  # each sample has a list of labels
        return _find_names(feature[0])
    if not isinstance(feature, dict):
        return None
    names = feature.get("names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return _find_names(feature.get("feature"))


def _find_columns(file: pq.ParquetFile, columns: Columns, path: Path) -> tuple[str, tuple[str, ...]]:
    import pyarrow as pa

    schema = file.schema_arrow
    inputs, labels = find_columns(schema.names, columns, str(path), TEXTS if columns.text else IMAGES)
    kind = schema.field(inputs).type
    kind = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    right = (
        (pa.types.is_string, pa.types.is_large_string)
        if columns.text
        else (pa.types.is_binary, pa.types.is_large_binary)
    )
    if not any(test(kind) for test in right):
        what = "texts" if columns.text else "bytes of encoded images, or structs with a field bytes"
        raise ValueError(f"column {inputs} of {path} must hold {what}, got {kind}; data.input_column names another")
    return inputs, labels


def _read_names(path: Path, columns: Columns) -> tuple[str, ...] | None:
    """Names of the outputs: those of several columns of labels, or those that `datasets` wrote to the metadata."""
    with open_parquet(path) as file:
        _, labels = _find_columns(file, columns, path)
        written = (file.schema_arrow.metadata or {}).get(b"huggingface")
    if len(labels) != 1 or written is None:
        return name_outputs(labels)
    try:
        info = json.loads(written)
        return parse_class_names(info["info"]["features"], labels[0])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} has damaged metadata (huggingface): {describe_error(error)}") from error
