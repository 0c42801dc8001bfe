"""Latency tables as Parquet files, which pandas alone can read.

There is one row per layer of an entry, in order. The columns are `entry`, the index of the entry; the fields of the
layer, with its operator as text; the weight and activation bits in which it is executed; one column per metric, in the
unit that its name ends with; `spread` and `repeats` of the latency, and its `factor` within networks. All layers of a
block have the same `entry`, and each of their rows repeats the costs of the block. `DataFrame.attrs` holds the fields
of the table that are not of one entry. Files are sealed, see `sealed_parquet`.
"""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from pydantic_core import from_json

from hardware.document import parse_document
from hardware.input_file import read_input
from hardware.tables import sealed_parquet
from hardware.tables.latency_table import LatencyTable
from hardware.tables.table_metadata import SCHEMA_VERSION, TableMetadata
from hardware.tables.table_rows import list_metrics, read_entries, to_rows
from search_spaces.quoting import describe_error, quote

if TYPE_CHECKING:
    import pandas as pd


def to_frame(table: LatencyTable) -> pd.DataFrame:
    """The rows of a table as they stand in its file, with its metadata in `attrs`.

    Raises:
        ValueError: If the table holds what its file may not, such as a cost that is not finite.
    """
    rows = to_rows(table.entries)
    rows.attrs.update(TableMetadata.of(table).model_dump(mode="json"))
    return rows


def save_table(table: LatencyTable, path: Path) -> None:
    """Writes a Parquet file atomically: a reader meets the old file or the new one, even after a crash.

    Args:
        table: The table, complete or not.
        path: Path of the file; its folder is created if it is missing.

    Raises:
        ValueError: If the table holds what its file may not, such as a cost that is not finite.
    """
    content = sealed_parquet.write_parquet(to_frame(table))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{token_hex(8)}.tmp")  # a name that nobody can foresee
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load_table(path: Path) -> LatencyTable:
    """Reads what `save_table` wrote.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is no Parquet file, was damaged since it was written, has other columns or metadata than a
            latency table, has another schema version, or a cell does not hold what its column may hold; the message
            names the file, and the column and the row of a cell.
    """
    content = read_input(path)
    try:
        columns, attributes = sealed_parquet.read_parquet(content, _check_form)
        return _read_metadata(attributes).table(read_entries(columns))
    except ValueError as error:
        raise ValueError(f"{path} is not a latency table: {error}") from error


def is_sealed(path: Path) -> bool:
    """Whether a file bears a seal, so that a byte that changes later is found out.

    Raises:
        OSError: If it cannot be read.
    """
    return sealed_parquet.is_sealed(read_input(path))


def _check_form(names: list[str], attributes: bytes) -> None:
    _check_version(attributes)  # before the columns, which differ between versions
    list_metrics(names)


def _read_metadata(attributes: bytes) -> TableMetadata:
    try:
        return parse_document(attributes, TableMetadata)
    except ValueError as error:
        raise ValueError(f"of its metadata, {error}") from error


def _check_version(attributes: bytes) -> None:
    try:
        document = from_json(attributes)
    except ValueError as error:
        raise ValueError(f"its metadata are not JSON ({describe_error(error)})") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is int and version == SCHEMA_VERSION:
        return
    if type(version) is int and version > SCHEMA_VERSION:
        remedy = "update this program, or take the program that wrote it"
    else:
        remedy = "make it anew with: nas profile JOB, or nas tables import or estimate"
    raise ValueError(f"its schema version is {quote(version)}, this program reads {SCHEMA_VERSION}; {remedy}")
