"""Tables in text files: CSV, TSV, and a JSON object in each line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.input_file import read_text
from search_spaces.quoting import describe_error

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
_MOST_BYTES = 1 << 30  # of a table: a hundred bytes for each of ten million samples
_SEPARATORS = (",", ";", "\t", "|")
_MOST_CELL = 1 << 24  # characters of a cell; a quotation mark that is never closed takes all that follows


@dataclass(frozen=True)
class TextTable:
    """A table in a text file.

    Attributes:
        path: The file.
        columns: The cells of each column: texts, or values of JSON.
        lines: The number of the line of each row, from 1.
    """

    path: Path
    columns: dict[str, list[Any]]
    lines: list[int]

    def where(self, row: int) -> str:
        """The place of a row, for messages."""
        return f"{self.path} line {self.lines[row]}"


def read_text_table(path: Path) -> TextTable:
    """Reads a table.

    Columns are separated by commas, or by the first of semicolons, tabs and bars that is in a header without a comma;
    in `.tsv` files by tabs.

    Args:
        path: A file of one of `SUFFIXES`, in UTF-8.

    Raises:
        ValueError: If it is no such table, or a row has other cells than the header; the message names the line.
    """
    text = read_text(path, _MOST_BYTES)
    rows = _read_json(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else _read_cells(path, text)
    header, lines, cells = next(rows)[1], list[int](), list[Sequence[Any]]()
    if len(set(header)) < len(header):
        raise ValueError(f"{path} must have columns of different names, got {', '.join(map(str, header))}")
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(f"{path} line {line} must have {len(header)} cells as the header has, got {len(row)}")
        lines.append(line)
        cells.append(row)
    if not cells:
        raise ValueError(f"{path} has no rows below its header")
    return TextTable(
        path, {str(name): list(column) for name, column in zip(header, zip(*cells, strict=True), strict=True)}, lines
    )


def _read_cells(path: Path, text: str) -> Iterator[tuple[int, Sequence[Any]]]:
    """The header and the rows of a CSV or TSV file, with the numbers of their lines; blank lines are skipped."""
    first = text.partition("\n")[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else next((one for one in _SEPARATORS if one in first), ",")
    if not text.strip() or "\0" in text:
        raise ValueError(f"{path} must be a table with a header, got {'bytes of 0' if text.strip() else 'nothing'}")
    usual = csv.field_size_limit(_MOST_CELL)  # of the whole process, so other tables get their own back
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = (row for row in reader if row)
        yield 0, [name.strip() for name in next(rows)]
        for row in rows:
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num} is damaged: {describe_error(error)}") from error
    finally:
        csv.field_size_limit(usual)


def _read_json(path: Path, text: str) -> Iterator[tuple[int, Sequence[Any]]]:
    """The same of a file with a JSON object in each line; keys of the first are the header."""
    header: list[str] = []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} line {line} must be JSON: {describe_error(error)}") from error
        if not isinstance(row, dict) or (header and set(row) != set(header)):
            keys = f"with the keys {', '.join(header)}" if header else ""
            raise ValueError(f"{path} line {line} must be a JSON object {keys}".rstrip())
        if not header:
            header = list(row)
            yield 0, header
        yield line, [row[name] for name in header]
    if not header:
        raise ValueError(f"{path} must have a JSON object in each line, got nothing")
