"""Additive costs: exact sums over small tables, each over a few genes, priced by array look-ups.

Independent of layers, policies and devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.search_space import Genes

FloatArray = NDArray[np.float64]
# A fused table stays within the second-level cache (128 KiB of doubles), and the columns of a chunk in the third; with
# smaller chunks the calls of NumPy, about a microsecond each, take more time than what they do.
CACHED_ENTRIES = 1 << 14
_CHUNK_ROWS = 8192


@dataclass(frozen=True)
class Term:
    """A cost that depends on a few genes: `table[genes[columns[0]], genes[columns[1]], ...]`.

    Attributes:
        columns: Numbers of the genes, or of derived columns.
        table: The cost, with an axis for each column.
    """

    columns: tuple[int, ...]
    table: FloatArray

    def fuse(self, other: Term) -> Term:
        """The sum of two terms as one term over the union of their genes."""
        columns = tuple(dict.fromkeys(self.columns + other.columns))
        return Term(columns, self._spread(columns) + other._spread(columns))

    def _spread(self, columns: tuple[int, ...]) -> FloatArray:
        axes = [self.columns.index(column) for column in columns if column in self.columns]
        missing = tuple(axis for axis, column in enumerate(columns) if column not in self.columns)
        return np.expand_dims(self.table.transpose(axes), missing)

    def fused_entries(self, other: Term) -> int:
        """Entries that `fuse` would tabulate."""
        sizes = dict(zip(self.columns + other.columns, self.table.shape + other.table.shape, strict=True))
        return prod(sizes.values())


@dataclass(frozen=True)
class DerivedColumn:
    """A number that a few genes or earlier derived columns decide: `table[columns[0], columns[1], ...]`.

    Attributes:
        columns: Numbers of those genes or columns.
        table: The number, with an axis for each column.
    """

    columns: tuple[int, ...]
    table: NDArray[np.int32]


class AdditiveCost:
    """Prices gene vectors by summing tabulated terms: `cost(genes (n, d)) -> (n,)`.

    Terms that share most of their genes are fused into one table while it fits the cache, so a candidate costs a few
    look-ups, not one per layer.

    Args:
        terms: What is summed; one over no columns is a constant.
        derived: Columns that terms may read like genes; their numbers follow that of the last gene.

    Attributes:
        terms: As they were given, each over few genes.
        derived: As they were given.
    """

    def __init__(self, terms: Sequence[Term], derived: Sequence[DerivedColumn] = ()) -> None:
        self.terms, self.derived = tuple(terms), tuple(derived)
        self._terms = [_LookUp(term.columns, term.table) for term in fuse_terms(terms)]
        self._derived = [_LookUp(column.columns, column.table) for column in derived]

    def __call__(self, genes: Genes) -> FloatArray:
        """The cost of every candidate, shape (n,), given genes of shape (n, d), canonical or not."""
        total, first = np.zeros(len(genes)), genes.shape[1]
        for start in range(0, len(genes), _CHUNK_ROWS):
            chunk, part = genes[start : start + _CHUNK_ROWS], total[start : start + _CHUNK_ROWS]
            columns = np.empty((first + len(self._derived), len(chunk)), dtype=np.int32)
            columns[:first] = chunk.T
            for number, look_up in enumerate(self._derived, start=first):
                columns[number] = look_up(columns)
            for look_up in self._terms:
                part += look_up(columns)
        return total


class _LookUp:
    """Reads a table at columns of integers."""

    def __init__(self, numbers: tuple[int, ...], table: NDArray[Any]) -> None:
        self._numbers, self._strides, self._table = numbers, _compute_strides(table.shape), np.ravel(table)

    def __call__(self, columns: NDArray[np.int32]) -> NDArray[Any]:
        """The entries, shape (n,), for all columns, shape (columns, n)."""
        code = np.zeros(columns.shape[1], dtype=np.int32)
        for number, stride in zip(self._numbers, self._strides, strict=True):
            code += columns[number] * stride
        return self._table.take(code)


def _compute_strides(shape: tuple[int, ...]) -> list[np.int32]:
    return [np.int32(prod(shape[axis + 1 :])) for axis in range(len(shape))]


def fuse_terms(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Adds each term to the one whose table grows least by it, while the table of both fits the cache."""
    fused: list[Term] = []
    for term in terms:
        entries = [one.fused_entries(term) for one in fused]
        growth = [
            size / one.table.size if size <= CACHED_ENTRIES else inf for size, one in zip(entries, fused, strict=True)
        ]
        if min(growth, default=inf) < inf:
            at = int(np.argmin(growth))
            fused[at] = fused[at].fuse(term)
        else:
            fused.append(term)
    return tuple(fused)
