"""CSV files that a user hands over: rows of text, whose cells are read as numbers or lines with their column and row.

Independent of what the columns mean.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from hardware.input_file import read_text
from hardware.tables.entry import MOST_COST
from search_spaces.quoting import list_names, quote

_MOST_BYTES = 32 << 20  # as text; Python takes ten times that for its cells
_MOST_TEXT = 1000  # characters of a name or of a choice
_MOST_NAME = 200  # characters of the name of a column
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class InputRow:
    """A row of a table.

    Attributes:
        place: The file and the number of the row, for messages.
        cells: Its cells as text, by column.
    """

    place: str
    cells: Mapping[str, str]

    def line(self, column: str) -> str:
        """A cell of text.

        Raises:
            ValueError: If it is empty, or no line that can be printed.
        """
        text = self.cells[column].strip()
        if not text or not text.isprintable() or len(text) > _MOST_TEXT:
            raise self._error(column, "text of one line")
        return text

    def cost(self, column: str) -> float:
        """A latency or an energy: a finite number above 0.

        Raises:
            ValueError: If it is something else.
        """
        value = self._number(column)
        if value is None or not 0 < value <= MOST_COST:
            raise self._error(column, "a number above 0")
        return value

    def number(self, column: str, most: float = MOST_COST) -> float:
        """A finite number of 0 or more.

        Args:
            column: Name of the column.
            most: The greatest that it may be.

        Raises:
            ValueError: If it is something else.
        """
        value = self._number(column)
        if value is None or not 0 <= value <= most:
            raise self._error(column, f"a number from 0 to {most:g}" if most < MOST_COST else "a number of 0 or more")
        return value

    def finite(self, column: str, most: float = MOST_COST) -> float:
        """A finite number of either sign.

        Args:
            column: Name of the column.
            most: The greatest that it may be, and the least with a minus.

        Raises:
            ValueError: If it is something else.
        """
        value = self._number(column)
        if value is None or not -most <= value <= most:
            raise self._error(column, f"a number from {-most:g} to {most:g}")
        return value

    def whole(self, column: str, least: int = 1, most: int = 2**31 - 1) -> int:
        """A whole number, which may be written as `16.0`.

        Args:
            column: Name of the column.
            least: The least that it may be.
            most: The greatest that it may be.

        Raises:
            ValueError: If it is something else.
        """
        value = self._number(column)
        if value is None or not least <= value <= most or value != int(value):
            raise self._error(column, f"{least}" if least == most else f"a whole number from {least} to {most}")
        return int(value)

    @contextmanager
    def telling(self, column: str) -> Iterator[None]:
        """Tells the column and the row of what a block refuses.

        Args:
            column: Name of the column that is read in the block; empty if it is the row as a whole.

        Raises:
            ValueError: If the block raises one.
        """
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.place}{f', column {column}' if column else ''}: {error}") from error

    def _number(self, column: str) -> float | None:
        text = self.cells[column].strip()
        return float(text) if len(text) <= _MOST_TEXT and _NUMBER.fullmatch(text) else None

    def _error(self, column: str, wanted: str) -> ValueError:
        text = self.cells[column]
        given = quote(text) if text.strip() else "none"
        return ValueError(f"{self.place}, column {column}: must be {wanted}, got {given}")


@dataclass(frozen=True)
class InputTable:
    """A CSV file.

    Attributes:
        path: The file.
        columns: The names in its header; one that is empty has cells that nobody asks for.
        rows: Its rows.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[InputRow, ...]

    @classmethod
    def read(cls, path: Path, *required: str) -> InputTable:
        """Reads a file.

        Args:
            path: The file: text in UTF-8 with commas between cells, and names of columns in its first row.
            required: Columns that it must have; it may have more.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it is no CSV file, too large, has no rows, lacks a column, has one twice, or a row has more
                or fewer cells than the header.
        """
        reader = csv.reader(StringIO(read_text(path, _MOST_BYTES), newline=""), strict=True)
        try:
            numbered = [(reader.line_num, cells) for cells in reader if cells]
        except csv.Error as error:
            raise ValueError(f"{path} is not a CSV file: {error} (line {reader.line_num})") from error
        columns = tuple(name.strip() for name in numbered[0][1]) if numbered else ()
        _check_columns(path, columns, required)
        rows = []
        for number, (line, cells) in enumerate(numbered[1:], start=1):
            place = f"{path}, row {number} (line {line})"
            if len(cells) != len(columns):
                raise ValueError(f"{place}: has {len(cells)} cells, and the header {len(columns)}")
            rows.append(InputRow(place, dict(zip(columns, cells, strict=True))))
        if not rows:
            raise ValueError(f"{path} has no rows below its header")
        return cls(path, columns, tuple(rows))


def _check_columns(path: Path, columns: tuple[str, ...], required: tuple[str, ...]) -> None:
    named = [name for name in columns if name]
    if not named:
        raise ValueError(f"{path} is not a CSV file: its first row must name its columns")
    if len(columns) == 1 and len(required) > 1 and (other := re.search(r"[;\t|]", columns[0])):
        raise ValueError(f"{path} must have cells that are separated by commas, got {other[0]!r} in its header")
    if strange := [name for name in named if not name.isprintable() or len(name) > _MOST_NAME]:
        raise ValueError(f"{path} must name its columns in a line of text each, got {quote(strange[0])}")
    if twice := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
        raise ValueError(f"{path} has the column {quote(twice[0])} twice; keep one")
    if missing := [name for name in required if name not in named]:
        raise ValueError(f"{path} must have the columns {list_names(required)}; it lacks {list_names(missing)}")
