"""Columns of tables: which one holds inputs and which labels, and what their cells mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nas.data.layouts.split_files import list_split_words
from nas.data.reading import Columns
from search_spaces.quoting import list_names, quote

IMAGES = ("image", "img", "images", "picture", "photo")  # usual names of columns, in lower case; the first counts
PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image_path", *IMAGES)
TEXTS = ("text", "sentence", "content", "review")
LABELS = ("label", "labels", "fine_label", "class", "class_name", "target", "category")
UNLABELLED = ()
"""The label of a sample whose label is not read: no numbers, which is not the same as a missing one."""
_SPLIT_COLUMNS = ("split", "splits", "subset", "partition", "set", "usage", "data_split")  # in lower case
# Plain decimal numbers alone: 01 and 001 are different names, and 1_0 is one, though Python reads them as numbers.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def find_columns(
    names: Sequence[str], columns: Columns, where: str, usual: Sequence[str] = IMAGES
) -> tuple[str, tuple[str, ...]]:
    """The columns of inputs and of labels: those that a job names, or the first of the usual names that is there.

    Args:
        names: The columns of a table.
        columns: The columns that a job names.
        where: The table, for messages.
        usual: Usual names of a column of inputs, in lower case.

    Returns:
        The column of inputs, and those of labels, which are none where labels are not read.

    Raises:
        ValueError: If there is none.
    """
    inputs = columns.inputs or _find(names, usual, "data.input_column", where)
    labels = columns.labels
    if columns.labelled and not labels:
        labels = (_find(names, LABELS, "data.label_column", where),)
    for name, key in [(inputs, "data.input_column"), *((label, "data.label_column") for label in labels)]:
        if name not in names:
            raise ValueError(f"{where} has no column {name!r} ({key}), but {list_names(names)}")
    return inputs, labels


def combine_labels(columns: Sequence[Sequence[Any]], rows: int) -> Sequence[Any]:
    """One label for each row: the cell of the only column, or a list of the cells of all columns.

    Args:
        columns: The cells of each column; none where labels are not read.
        rows: Number of rows.
    """
    if not columns:
        return [UNLABELLED] * rows
    return columns[0] if len(columns) == 1 else [list(cells) for cells in zip(*columns, strict=True)]


def name_outputs(labels: Sequence[str]) -> tuple[str, ...] | None:
    """Names of the outputs that several columns of labels state; None for one column, whose values tell them."""
    return tuple(labels) if len(labels) > 1 else None


def refuse_split_column(
    names: Sequence[str], chosen: Sequence[str], read: Callable[[str], Iterable[Any]], where: str
) -> None:
    """Refuses a table with a column that tells splits: its rows for testing would be trained on.

    Args:
        names: The columns of the table.
        chosen: Those of inputs and labels.
        read: Gives the cells of a column.
        where: The table, for messages.

    Raises:
        ValueError: If the rows are of two or more splits.
    """
    for name in names:
        if name.lower() not in _SPLIT_COLUMNS or name in chosen:
            continue
        words = {cell for cell in read(name) if isinstance(cell, str) and list_split_words(cell)}
        if len({split for word in words for split in list_split_words(word)}) > 1:
            raise ValueError(
                f"{where} has rows of several splits by its column {name} ({list_names(sorted(words))}), and names of "
                "files tell splits; store a file for each, such as train and test, or leave the column out"
            )


def refuse_columns(columns: Columns, what: str) -> None:
    """Refuses columns that a job names where the samples have none.

    Args:
        columns: The columns that a job names.
        what: What has none, for messages, such as `folders of classes`.

    Raises:
        ValueError: If one is named.
    """
    stated = (("data.input_column", columns.inputs), ("data.label_column", ", ".join(columns.labels)))
    for key, name in stated:
        if name:
            raise ValueError(f"{key} names a column of a table or the like, and {what} have none, got {quote(name)}")


def parse_cells(cells: Sequence[str], source: str) -> list[Any]:
    """Cells of a text file as labels; None where a cell is empty.

    They are lists if all are such in JSON, else integers if all are, else numbers if all are, else names.

    Args:
        cells: All cells of a column.
        source: The file or folder, for messages.

    Raises:
        ValueError: If only some cells are lists, or lists are not in JSON.
    """
    present = [cell.strip() for cell in cells if cell.strip()]
    lists = [cell for cell in present if _is_list(cell, source)]
    if lists and len(lists) < len(present):
        other = next(cell for cell in present if cell not in lists)
        raise ValueError(
            f"labels of {source} must be all lists in JSON or none, got {quote(lists[0])} and {quote(other)}; write "
            f"{quote('[' + json.dumps(other) + ']')} for a list of one"
        )
    convert: Any = str
    if lists:
        convert = json.loads
    elif all(_INTEGER.fullmatch(cell) for cell in present):
        convert = int
    elif all(_NUMBER.fullmatch(cell) for cell in present):
        convert = float
    return [convert(cell.strip()) if cell.strip() else None for cell in cells]


def _find(names: Sequence[str], usual: Sequence[str], key: str, where: str) -> str:
    by_name = {name.lower(): name for name in reversed(names)}
    for name in usual:
        if name in by_name:
            return by_name[name]
    raise ValueError(f"{where} must have a column {' or '.join(usual)}, or {key} names one; it has {list_names(names)}")


def _is_list(cell: str, source: str) -> bool:
    """Whether a cell is a list in JSON; raises ValueError if it is one in the spelling of Python."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return False
    try:
        return isinstance(json.loads(cell), list)
    except (ValueError, RecursionError) as error:
        if cell[1:].lstrip().startswith(("'", '"', "[")):
            raise ValueError(
                f'labels of {source} must be lists in JSON, such as ["cat", "dog"], got {quote(cell)}'
            ) from error
        return False
