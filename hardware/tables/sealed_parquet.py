"""Parquet files of columns and attributes, which bear a seal: a byte that changed since they were written is found out.

The seal is the digest of the file's own bytes, with zeros where the seal itself stands. It is no attribute of the data
frame, so a file that another program wrote after changing it has none, and is read as it is. Independent of tables.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.quoting import describe_error, quote, quote_name

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Column = NDArray[Any]
_ATTRIBUTES, _SEAL = b"PANDAS_ATTRS", b"nas.sha256"  # pandas reads `attrs` from a key of that name
_KNOWN = {b"pandas", _ATTRIBUTES, _SEAL, b"ARROW:schema"}
_SEALED = re.compile(rb"nas\.sha256.{0,4}?([0-9a-f]{64})", re.DOTALL)  # in the footer, a value follows its key
_BLANK = b"0" * 64
_INDEX = re.compile(r"__index_level_[0-9]+__")  # a column in which pandas keeps the index of a frame
MOST_ROWS = 500_000  # ten times those of the largest joint space; a few bytes can declare billions
_MOST_BYTES = 256 << 20  # of columns, unpacked
_MOST_METADATA = 16 << 20


def write_parquet(rows: pd.DataFrame) -> bytes:
    """A data frame with its `attrs` as the bytes of a Parquet file with a seal."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows, preserve_index=False)
    added = {_ATTRIBUTES: json.dumps(rows.attrs).encode(), _SEAL: _BLANK}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **added}), sink)
    content: bytes = sink.getvalue().to_pybytes()
    begin, end = [*_SEALED.finditer(content)][-1].span(1)
    return content[:begin] + hashlib.sha256(content).hexdigest().encode() + content[end:]


def is_sealed(content: bytes) -> bool:
    """Whether a file bears a seal, broken or not."""
    return _SEALED.search(content) is not None


def read_parquet(content: bytes, check: Callable[[list[str], bytes], object]) -> tuple[dict[str, Column], bytes]:
    """The columns of a Parquet file by name, and its attributes as JSON.

    Args:
        content: The bytes of the file.
        check: Refuses names of columns and attributes that the file should not have, before any column is read.

    Returns:
        Columns of texts, as objects, of whole numbers, of numbers, in which NaN is an empty cell, or of truth values.

    Raises:
        ValueError: If the seal is broken, it is no Parquet file, it is larger than any table, it has no attributes, a
            column is of another type, or a cell is empty that is not a number.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_seal(content)
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        names = [name for name in file.schema_arrow.names if not _INDEX.fullmatch(name)]
        texts = [name for name in names if _is_text(file.schema_arrow.field(name).type)]
        metadata = _check_size(file.metadata)
    except (pa.ArrowException, OSError, KeyError, MemoryError, UnicodeDecodeError) as error:
        raise _damaged(error) from error
    check(names, metadata[_ATTRIBUTES])
    try:
        # texts as codes of a dictionary: a few bytes can declare the same long text a million times
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, read_dictionary=texts)
        table = file.read(columns=names)
        table.validate(full=True)
        return {name: _to_numpy(name, table[name].combine_chunks()) for name in names}, metadata[_ATTRIBUTES]
    except (pa.ArrowException, OSError, KeyError, MemoryError, UnicodeDecodeError) as error:
        raise _damaged(error) from error


def _check_seal(content: bytes) -> None:
    seals = [*_SEALED.finditer(content)]
    if seals:
        begin, end = seals[-1].span(1)
        blank = content[:begin] + _BLANK + content[end:]
        if hashlib.sha256(blank).hexdigest().encode() != seals[-1][1]:
            raise ValueError("it was damaged since it was written; take a copy of it, or make it anew")


def _check_size(footer: Any) -> Mapping[bytes, bytes]:
    """The metadata by key; raises ValueError if the file is larger than any table, or its metadata are strange."""
    metadata: dict[bytes, bytes] = dict(footer.metadata or {})
    if strange := metadata.keys() - _KNOWN:
        raise ValueError(f"it has metadata that no table has ({quote(min(strange))}): it is damaged, or no table")
    if _SEAL in metadata and not _SEALED.search(_SEAL + metadata[_SEAL]):
        raise ValueError("its seal is damaged; take a copy of it, or make it anew")
    if _ATTRIBUTES not in metadata:
        raise ValueError("it has no attributes (DataFrame.attrs)")
    unpacked = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
    for what, most, given in (
        ("rows", MOST_ROWS, footer.num_rows),
        ("bytes of columns", _MOST_BYTES, unpacked),
        ("bytes of metadata", _MOST_METADATA, sum(map(len, metadata.values()))),
    ):
        if not 0 <= given <= most:
            raise ValueError(f"a table has {most:,} {what} at most, got {given:,}")
    return metadata


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string))


def _to_numpy(name: str, cells: pa.Array) -> Column:
    """The cells of a column; raises ValueError for types and for holes that no table has."""
    import pyarrow as pa

    kind = cells.type
    if pa.types.is_floating(kind):
        numbers: Column = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return numbers
    if cells.null_count:
        raise ValueError(f"column {name}, row {cells.is_null().index(True).as_py() + 1}: is empty")
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        texts: Column = np.array([*cells.dictionary.to_pylist(), None], dtype=object)[:-1]
        return texts[cells.indices.to_numpy(zero_copy_only=False)]
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        found: Column = (cells.cast(pa.int64()) if pa.types.is_integer(kind) else cells).to_numpy(zero_copy_only=False)
        return found
    if not len(cells):  # of no rows, the type is not known
        return np.array([], dtype=object)
    raise ValueError(f"column {name} holds {quote_name(str(kind))}; a table has texts, numbers and truth values")


def _damaged(error: Exception) -> ValueError:
    """The error for what pyarrow cannot read, in one line."""
    return ValueError(f"it is not a Parquet file, or is damaged ({describe_error(error)})")
