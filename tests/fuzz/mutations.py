"""Seeded mutations of files: of bytes, of values of JSON, of lines of YAML, of cells of tables.

They know no format. A mutation is a function of what it changes and of a generator, which is all that decides it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import Any

# What stands in for a value, by its kind: at the edges of its type, of another type, or of no sense at all.
NUMBERS = (0, -1, 1.5, -0.0, 1e300, -1e300, 5e-324, 10**30, -(10**30), 2**63, float("nan"), float("inf"), -float("inf"))
TEXTS = ("", " ", "nan", "[/red]", "\x00", "\x1b[31m", "a\nb", "../../x", "é" * 300, "x" * 100_000, "1e999", "\ud800")
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": None}, [1] * 50)
CELLS = (
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "-1",
    "0",
    "1.5",
    "1e999",
    "1" * 30,
    "1_0",
    "٣",
    "oom",
    "true",
    "\x00",
    "a,b",
    '"',
)
_BOMB = "[&a [x, x, x, x, x, x, x, x, x]" + "".join(
    f", &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise("abcdefghi")
)
YAML = (  # values that YAML allows, in which its readers stumble
    "[" * 2000,
    "{a: " * 500,
    f"{_BOMB}]",
    "&a [*a]",
    "*nothing",
    "!!timestamp foo",
    "!!int ''",
    "!!float x",
    "!!binary '*'",
    "!!set {a, b}",
    "!!python/object/apply:os.getcwd []",
    "2001-13-45",
    "2001-01-01 25:61:61",
    '"\\UFFFFFFFF"',
    '"\\ud800"',
    "1:30:30",
    "010",
    "1_000",
    "0x" + "f" * 300,
    "9" * 5000,
    ".inf",
    ".nan",
    "1e999",
    "~",
    "yes",
    "{" + ", ".join(f"k{number}: 1" for number in range(30_000)) + "}",
    "{[a]: 1}",
    "|",
    "@x",
    "\t",
    "\x07",
)


def mutate_bytes(content: bytes, rng: Random) -> bytes:
    """One change of bytes: a bit flips, a part is cut, repeated, swapped, overwritten or put in, or nothing is left."""
    if not content:
        return rng.randbytes(rng.randrange(1, 64))
    at, size = rng.randrange(len(content)), rng.randrange(1, 1 + min(64, len(content)))
    to = rng.randrange(len(content))
    changes: list[Callable[[], bytes]] = [
        lambda: content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :],
        lambda: content[:at] + rng.randbytes(size) + content[at + size :],
        lambda: content[:at] + bytes(size) + content[at + size :],
        lambda: content[:at] + b"\xff" * size + content[at + size :],
        lambda: content[:at],
        lambda: content[:at] + content[at + size :],
        lambda: content[:at] + rng.randbytes(size) + content[at:],
        lambda: content[: at + size] + content[at:],
        lambda: content[:to] + content[at : at + size] + content[to + size :],
        lambda: b"",
    ]
    return rng.choices(changes, weights=[10, 3, 2, 2, 3, 3, 3, 2, 2, 0.3])[0]()


def mutate_json(document: Any, rng: Random) -> Any:
    """One change of a value somewhere in a document: another one in its place, none, or one more key."""
    changed = {"": copy.deepcopy(document)}
    places = [*_places(changed)]
    holder, key = rng.choice(places)
    what = rng.random()
    if what < 0.1 and isinstance(holder, dict) and holder is not changed:
        del holder[key]
    elif what < 0.15 and isinstance(holder[key], dict):
        holder[key][rng.choice(["", "extra", "__class__"])] = _strange(rng)
    elif what < 0.25:
        other, there = rng.choice(places)
        holder[key] = copy.deepcopy(other[there])
    elif what < 0.35 and isinstance(holder[key], int | float):
        holder[key] = -holder[key]
    else:
        holder[key] = _strange(rng)
    return changed[""]


def mutate_cells(rows: list[list[str]], rng: Random) -> list[list[str]]:
    """One change of a table of text, whose first row is its header: of a cell, of a row or of a column."""
    table = [list(row) for row in rows]
    row, column = rng.randrange(len(table)), rng.randrange(len(table[0]))
    other, there = rng.randrange(len(table)), rng.randrange(len(table[0]))
    what = rng.random()
    if what < 0.55:
        table[max(row, 1) if len(table) > 1 else 0][column] = rng.choice(CELLS)
    elif what < 0.65:
        table[row][column], table[other][there] = table[other][there], table[row][column]
    elif what < 0.7:
        table[row][column] = "-" + table[row][column]
    elif what < 0.75:
        table.insert(row, list(table[other]))
    elif what < 0.8:
        del table[row][column]
    elif what < 0.85:
        table[row].insert(column, rng.choice(CELLS))
    elif what < 0.9:
        del table[row]
    elif what < 0.95:
        for cells in table:
            cells[column], cells[there] = cells[there], cells[column]
    else:
        for cells in table:
            del cells[column]
    return table


def mutate_yaml(text: str, rng: Random) -> bytes:
    """One change of a text in YAML: of its bytes, or by a line or value that YAML allows and nobody means."""
    if rng.random() < 0.4:
        return mutate_bytes(text.encode(), rng)
    lines = text.splitlines()
    row, strange = rng.randrange(len(lines)), rng.choice(YAML)
    what = rng.random()
    if what < 0.5 and ": " in lines[row]:
        lines[row] = f"{lines[row].split(': ')[0]}: {strange}"
    elif what < 0.6:
        lines[row] = rng.choice(lines)
    elif what < 0.7:
        lines.insert(row, rng.choice(lines))
    elif what < 0.8:
        lines[row] = " " * rng.randrange(4) + lines[row].lstrip()
    else:
        lines.insert(row, f"{rng.choice(['', '  '])}{rng.choice(['extra', '<<', '? a', '-'])}: {strange}")
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def to_csv(rows: list[list[str]]) -> bytes:
    """A table of text as a file, without quotes: a cell with a comma is two."""
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value in a document: what holds it, and its key or index."""
    keys = document.keys() if isinstance(document, dict) else range(len(document))
    for key in keys:
        yield document, key
        if isinstance(document[key], dict | list):
            yield from _places(document[key])


def _strange(rng: Random) -> Any:
    return copy.deepcopy(rng.choice(rng.choice([NUMBERS, TEXTS, OTHERS])))
