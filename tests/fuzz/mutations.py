"""Seeded mutations of files: of bytes, of values of JSON, of cells of tables; and what a reader may make of them.

They know no format. A mutation is a function of what it changes and of a generator, which is all that decides it.
"""

from __future__ import annotations

import copy
import resource
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

SECONDS = 20.0  # in which a reader must have answered
BYTES = 1 << 30  # which no small file may cost

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


def to_csv(rows: list[list[str]]) -> bytes:
    """A table of text as a file, without quotes: a cell with a comma is two."""
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def find_refusal(read: Callable[[], object]) -> str | None:
    """Calls a reader, and gives the line with which it refuses its file; None if it takes it.

    Raises:
        AssertionError: If the reader fails otherwise, or answers late, in many words or with many bytes.
    """
    began, held = time.monotonic(), _peak()
    line = None
    try:
        read()
    except OSError as error:
        line = " ".join(f"{error.filename or ''} {error.strerror or error}".split())
    except ValueError as error:
        line = str(error)
    except Exception as error:
        raise AssertionError(f"a reader refuses by ValueError or OSError, this one by {error!r}") from error
    assert time.monotonic() - began < SECONDS, f"{time.monotonic() - began:.0f} s for a small file"
    assert _peak() - held < BYTES, f"{(_peak() - held) >> 20} MiB for a small file"
    if line is not None:
        assert line.strip(), "a refusal says something"
        assert len(line) < 2000, f"a refusal is one line, not {len(line)} characters: {line[:300]}"
        assert line.isprintable(), f"a refusal is one line that can be printed, got {line[:300]!r}"
    return line


def _peak() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value in a document: what holds it, and its key or index."""
    keys = document.keys() if isinstance(document, dict) else range(len(document))
    for key in keys:
        yield document, key
        if isinstance(document[key], dict | list):
            yield from _places(document[key])


def _strange(rng: Random) -> Any:
    return copy.deepcopy(rng.choice(rng.choice([NUMBERS, TEXTS, OTHERS])))
