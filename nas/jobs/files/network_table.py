"""Tables of networks: CSV files of a row per network and a column per gene or value, of which every cell is checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hardware.input_table import InputTable
from nas.jobs.files.bounds import MOST_VALUE
from search_spaces.choices import Value
from search_spaces.quoting import quote

if TYPE_CHECKING:
    import pandas as pd

_MOST_GENE = 2**53  # up to here, whole numbers are told apart as floating-point numbers, too
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)  # what Python reads as a number, and is none


def read_networks(path: Path, values: Sequence[str], genes: Sequence[str] | None = None) -> pd.DataFrame:
    """The networks of a table, as `TabularSpace` takes them.

    Args:
        path: A CSV file; columns that are not asked for are left out.
        values: Names of the columns of values, which are finite numbers. One may be a gene, too.
        genes: Names of the columns of genes; None takes all that are not of values. Where all cells of one are whole
            numbers, or numbers, so are its values; else they are text.

    Returns:
        One row per network, in the order of the file: the genes, then the values.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no table, lacks a column, or a cell does not hold what its column must; or if a combination
            of genes is missing or there twice. The message names file, row and column.
    """
    import pandas as pd

    table = InputTable.read(path, *dict.fromkeys([*(genes or ()), *values]))
    named = genes or [name for name in table.columns if name and name not in values]
    if not named:
        raise ValueError(f"{path} must have columns of genes besides {', '.join(values)}")
    columns = {name: _read_gene(table, name) for name in named}
    _check_combinations(table, columns)
    for name in values:
        numbers = [row.finite(name, MOST_VALUE) for row in table.rows]
        columns.setdefault(name, list(numbers))
    return pd.DataFrame(columns)


def _read_gene(table: InputTable, name: str) -> list[Value]:
    """The values of a gene, row by row: all whole numbers, or all numbers, or all text."""
    cells = [row.cells[name].strip() for row in table.rows]
    for row, cell in zip(table.rows, cells, strict=True):
        if not cell:
            with row.telling(name):
                raise ValueError("must be a gene, a number or text, got none")
        row.line(name)
        with row.telling(name):
            if _NOT_FINITE.fullmatch(cell):
                raise ValueError(f"must be a gene, a number or text, got {cell}")
            if _WHOLE.fullmatch(cell) and not (len(cell) < 20 and abs(int(cell)) <= _MOST_GENE):
                raise ValueError(f"a gene that is a whole number has {_MOST_GENE} at most, got {quote(cell)}")
    if all(_WHOLE.fullmatch(cell) for cell in cells):
        return [int(cell) for cell in cells]
    try:
        numbers = [float(cell) for cell in cells if "_" not in cell]
    except ValueError:
        return list(cells)
    if len(numbers) < len(cells):
        return list(cells)
    return [row.finite(name, MOST_VALUE) for row in table.rows]


def _check_combinations(table: InputTable, columns: dict[str, list[Value]]) -> None:
    """Makes sure that every combination of genes is there once; else a row or a combination is named."""
    first: dict[tuple[Value, ...], str] = {}
    for row, combination in zip(table.rows, zip(*columns.values(), strict=True), strict=True):
        if combination in first:
            raise ValueError(f"{row.place}: has the genes of {first[combination]}; each combination stands once")
        first[combination] = row.place
    known = {name: sorted(set(cells)) for name, cells in columns.items()}
    wanted = prod(len(distinct) for distinct in known.values())
    if len(first) == wanted:
        return
    missing = next(found for found in product(*known.values()) if found not in first)
    named = ", ".join(f"{name} {value}" for name, value in zip(known, missing, strict=True))
    raise ValueError(
        f"{table.path} must have a row for each of {wanted} combinations of {', '.join(known)}, got {len(first)}; "
        f"there is none for {named}{_describe_rare(table, columns)}"
    )


def _describe_rare(table: InputTable, columns: dict[str, list[Value]]) -> str:
    """The value of a gene that far fewer rows have than the others of its column, as slips do; empty without one.

    A word among numbers is told before a number.
    """
    for name, cells in columns.items():
        counts = Counter(cells)
        value, count = min(counts.items(), key=lambda one: (one[1], _WHOLE.fullmatch(str(one[0])) is not None))
        if 2 * count <= max(counts.values()):
            place = table.rows[cells.index(value)].place
            return f"; only {count} row{'s' * (count > 1)} with {name} {value}: {place}, column {name}"
    return ""
