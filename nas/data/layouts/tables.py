"""Tables in text files: of paths of images and labels, or of texts and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.layouts.columns import (
    PATHS,
    TEXTS,
    combine_labels,
    find_columns,
    name_outputs,
    parse_cells,
    refuse_split_column,
)
from nas.data.layouts.file_paths import FilePaths
from nas.data.layouts.joined_records import JoinedRecords
from nas.data.layouts.layout import Layout
from nas.data.layouts.records import FileRecords, Records, StoredSplits, ValueRecords
from nas.data.layouts.split_files import find_split_files, list_files, tell_split
from nas.data.layouts.text_table import SUFFIXES, TextTable, read_text_table
from nas.data.reading import Columns
from nas.tasks.task import RawLabels
from search_spaces.file_kind import find_file_kind
from search_spaces.quoting import quote


class Tables(Layout):
    """`train.csv`, `.tsv` or `.jsonl`, and such for other splits, with columns of paths or texts, and of labels.

    Paths are relative to the folder of the table and stay in it, or are absolute.
    """

    expected = "a folder with train.csv (columns path and label)"

    def recognizes(self, path: Path) -> bool:
        """Whether there is such a file."""
        return bool(list_files(path, SUFFIXES))

    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Reads the tables."""
        found = find_split_files(path, SUFFIXES)
        tables = {name: [read_text_table(file) for file in files] for name, files in found.files.items()}
        chosen = {id(table): _find(table, columns) for parts in tables.values() for table in parts}
        for parts in tables.values():
            for table in parts:
                inputs, outputs = chosen[id(table)]
                refuse_split_column([*table.columns], (inputs, *outputs), table.columns.__getitem__, str(table.path))
        labels = _read_labels([table for parts in tables.values() for table in parts], chosen)
        records: dict[str, Records] = {}
        for name, parts in tables.items():
            done = tuple(_read(table, chosen[id(table)][0], labels[id(table)], columns.text) for table in parts)
            records[name] = done[0] if len(done) == 1 else JoinedRecords(done)
        names = name_outputs(next(iter(chosen.values()))[1])
        return StoredSplits.of(records, names=names, notes=found.notes)


def has_samples(path: Path, columns: Columns) -> bool:
    """Whether a table has the columns of inputs and labels.

    Args:
        path: A folder or file with tables.
        columns: The columns that a job names.

    Raises:
        ValueError: If a table is damaged.
    """
    for file in list_files(path, SUFFIXES):
        table = read_text_table(file)
        try:
            _find(table, columns)
        except ValueError:
            continue
        return True
    return False


def name_splits(path: Path) -> bool:
    """Whether the names of tables in a folder begin with those of splits, so that it is clear what they are for."""
    return any(tell_split(file.name) for file in list_files(path, SUFFIXES))


def describe_tables(path: Path) -> str:
    """Names of the tables in a folder, for messages."""
    files = list_files(path, SUFFIXES)
    return ", ".join(file.name for file in files[:5]) + (" and more" if len(files) > 5 else "")


def _find(table: TextTable, columns: Columns) -> tuple[str, tuple[str, ...]]:
    return find_columns(list(table.columns), columns, str(table.path), TEXTS if columns.text else PATHS)


def _read_labels(
    tables: Sequence[TextTable], chosen: dict[int, tuple[str, tuple[str, ...]]]
) -> dict[int, Sequence[Any]]:
    """The labels of each table. What cells of text mean follows from all of a column, in all splits."""
    read: dict[int, list[Sequence[Any]]] = {id(table): [] for table in tables}
    for number in range(len(chosen[id(tables[0])][1])):
        cells = [table.columns[chosen[id(table)][1][number]] for table in tables]
        whole = [cell for column in cells for cell in column]
        parsed = iter(
            parse_cells(whole, str(tables[0].path)) if all(isinstance(cell, str) for cell in whole) else whole
        )
        for table, column in zip(tables, cells, strict=True):
            read[id(table)].append([next(parsed) for _ in column])
    return {id(table): combine_labels(read[id(table)], len(table.lines)) for table in tables}


def _read(table: TextTable, column: str, labels: Sequence[Any], text: bool) -> Records:
    cells = table.columns[column]
    for row, cell in enumerate(cells):
        if not isinstance(cell, str) or not cell.strip():
            raise ValueError(
                f"{table.where(row)} must have a {'text' if text else 'path'} in column {column}, got {cell!r}"
            )
    lines = np.array(table.lines, np.int64)
    if text:
        return ValueRecords(tuple(cells), RawLabels(labels, _Lines(table.path, lines), str(table.path)))
    paths = FilePaths.of(table.path.parent, (_find_file(table, row, cell.strip()) for row, cell in enumerate(cells)))
    return FileRecords(paths, RawLabels(labels, _Files(table.path, lines, paths), str(table.path)))


def _find_file(table: TextTable, row: int, cell: str) -> Path:
    """The file that a cell names: in the folder of the table, or anywhere if its path is absolute."""
    root, path = table.path.parent, Path(cell)
    if not path.is_absolute() and ".." in path.parts:
        raise ValueError(
            f"{table.where(row)} has a path that leaves the folder {root}: {quote(cell)}; write it as absolute path"
        )
    try:
        kind = find_file_kind((root / path).stat())
    except (OSError, ValueError) as error:
        raise ValueError(f"{table.where(row)} names {quote(cell)}, which is not there in {root}") from error
    if kind != "a file":
        raise ValueError(f"{table.where(row)} names {quote(cell)}, which is {kind}")
    return root / path


@dataclass(frozen=True)
class _Lines:
    """The places of rows."""

    path: Path
    lines: NDArray[np.int64]

    def __call__(self, row: int) -> str:
        return f"{self.path} line {self.lines[row]}"


@dataclass(frozen=True)
class _Files:
    """The places of rows that name files."""

    path: Path
    lines: NDArray[np.int64]
    files: FilePaths

    def __call__(self, row: int) -> str:
        return f"{self.files[row]} ({self.path.name} line {self.lines[row]})"
