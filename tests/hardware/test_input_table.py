"""Rows of CSV files are read cell by cell, and what is wrong is named with file, row, line and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardware.input_table import InputRow, InputTable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a CSV file: its first row must name its columns"),
        (b"\n\n", "is not a CSV file"),
        (b"name,ms\n", "has no rows below its header"),
        (b"name\nstem\n", "must have the columns name, ms; it lacks ms"),
        (b"name;ms\nstem;1\n", "must have cells that are separated by commas, got ';' in its header"),
        (b"name,ms,a\x00\nstem,1,2\n", "must name its columns in a line of text each"),
        (b"name,ms,ms\nstem,1,2\n", "has the column 'ms' twice"),
        (b"name,ms\nstem,1\n\nhead\n", r"row 2 \(line 4\): has 1 cells, and the header 2"),
        (b"name,ms\nstem,1,2\n", r"row 1 \(line 2\): has 3 cells, and the header 2"),
        (b'name,ms\n"stem,1\n', "is not a CSV file: unexpected end of data"),
        (b"name,ms\n" + b"x" * 200_000 + b",1\n", "is not a CSV file: field larger than field limit"),
        (b"name,ms\nst\xe9m,1\n", "must be text in UTF-8, got the byte 0xe9 at 10"),
        ("name,ms\nstem,1\n".encode("utf-16"), "must be text in UTF-8"),
    ],
)
def test_files_without_usable_rows_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"a.csv.*{message}"):
        InputTable.read(tmp_path / "a.csv", "name", "ms")


def _row(tmp_path: Path, cell: str) -> InputRow:
    (tmp_path / "a.csv").write_text(f",name,ms\n0,stem,1\n1,head,{cell}\n")
    return InputTable.read(tmp_path / "a.csv", "ms").rows[1]


@pytest.mark.parametrize(
    ("read", "cell", "value"),
    [
        (InputRow.cost, " 2.5e-3 ", 0.0025),
        (InputRow.number, "0", 0.0),
        (InputRow.finite, "-2.5", -2.5),
        (InputRow.whole, "16.0", 16),
        (InputRow.line, " a b ", "a b"),
    ],
)
def test_a_cell_is_read(read: Callable[[InputRow, str], Any], cell: str, value: object, tmp_path: Path) -> None:
    assert read(_row(tmp_path, cell), "ms") == value


@pytest.mark.parametrize(
    ("read", "wanted", "cells"),
    [
        (InputRow.cost, "a number above 0", ["", "0", "-1", "nan", "inf", "1e999", "1_0", "0x1", "fast", "\u0663"]),
        (InputRow.number, "a number of 0 or more", ["-1", "nan", "1e19", "1" * 5000]),
        (InputRow.finite, r"a number from -1e\+18 to 1e\+18", ["", "nan", "-inf", "-1e19", "oom"]),
        (InputRow.whole, "a whole number from 1 to 2147483647", ["0", "1.5", "1" + 30 * "0", "true"]),
        (InputRow.line, "text of one line", [" ", "a\x00b", "\x1b[31m", "x" * 2000]),
    ],
)
def test_a_wrong_cell_is_named(
    read: Callable[[InputRow, str], Any], wanted: str, cells: list[str], tmp_path: Path
) -> None:
    for cell in cells:
        with pytest.raises(ValueError, match=rf"a.csv, row 2 \(line 3\), column ms: must be {wanted}, got ") as refused:
            read(_row(tmp_path, cell), "ms")
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 400
