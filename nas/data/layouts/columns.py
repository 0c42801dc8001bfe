"""Columns of tables: which one holds inputs and which labels, and what their cells mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nas.data.reading import Columns
from search_spaces.quoting import list_names

IMAGES = ("image", "img", "images", "picture", "photo")  # usual names of columns, in lower case; the first counts
PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image_path", *IMAGES)
TEXTS = ("text", "sentence", "content", "review")
LABELS = ("label", "labels", "fine_label", "class", "class_name", "target", "category")
_INTEGER = re.compile(r"[+-]?\d{1,18}")


def find_columns(
    names: Sequence[str], columns: Columns, where: str, usual: Sequence[str] = IMAGES
) -> tuple[str, tuple[str, ...]]:
    """The columns of inputs and of labels: those that a job names, or the first of the usual names that is there.

    Args:
        names: The columns of a table.
        columns: The columns that a job names.
        where: The table, for messages.
        usual: Usual names of a column of inputs, in lower case.

    Raises:
        ValueError: If there is none.
    """
    inputs = columns.inputs or _find(names, usual, "data.input_column", where)
    labels = columns.labels or (_find(names, LABELS, "data.label_column", where),)
    for name, key in [(inputs, "data.input_column"), *((label, "data.label_column") for label in labels)]:
        if name not in names:
            raise ValueError(f"{where} has no column {name!r} ({key}), but {list_names(names)}")
    return inputs, labels


def combine_labels(columns: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """One label for each row: the cell of the only column, or a list of the cells of all columns."""
    return columns[0] if len(columns) == 1 else [list(cells) for cells in zip(*columns, strict=True)]


def name_outputs(labels: Sequence[str]) -> tuple[str, ...] | None:
    """Names of the outputs that several columns of labels state; None for one column, whose values tell them."""
    return tuple(labels) if len(labels) > 1 else None


def parse_cells(cells: Sequence[str]) -> list[Any]:
    """Cells of a text file as labels: integers if all are, else numbers if all are, else names; None where empty."""
    present = [cell.strip() for cell in cells if cell.strip()]
    convert: Any = str
    if all(_INTEGER.fullmatch(cell) for cell in present):
        convert = int
    elif all(map(_is_number, present)):
        convert = float
    return [convert(cell.strip()) if cell.strip() else None for cell in cells]


def _find(names: Sequence[str], usual: Sequence[str], key: str, where: str) -> str:
    by_name = {name.lower(): name for name in reversed(names)}
    for name in usual:
        if name in by_name:
            return by_name[name]
    raise ValueError(f"{where} must have a column {' or '.join(usual)}, or {key} names one; it has {list_names(names)}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return not re.search(r"[a-zA-Z_]{2}", cell)  # nan, inf and infinity are names here
