"""Additive costs: exact sums over small tables of a few genes each, computed for many candidates by array look-ups.

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
# A fused table of 2^14 doubles (128 KiB) stays within the second-level cache, and the columns of a chunk of rows within
# the third. With smaller chunks, the overhead of a NumPy call (about a microsecond) would outweigh its work.
CACHED_ENTRIES = 1 << 14
_CHUNK_ROWS = 8192
_MOST_EXPANDED = 1 << 22  # entries of a table without derived columns: 32 MiB


@dataclass(frozen=True)
class Term:
    """A cost that depends on a few genes: `table[genes[columns[0]], genes[columns[1]], ...]`.

    Attributes:
        columns: Indices of the genes, or of derived columns.
        table: The cost for all values of the columns, with an axis for each column.
    """

    columns: tuple[int, ...]
    table: FloatArray

    def relabel(self, columns: Sequence[int]) -> Term:
        """The same table over other columns, rising; axes that get the same column become one, its diagonal.

        Args:
            columns: For each axis of the table, its new column.
        """
        sizes = dict(zip(columns, self.table.shape, strict=True))
        known = sorted(sizes)
        if known == list(columns):
            return Term(tuple(known), self.table)
        index = np.indices([sizes[column] for column in known], sparse=True)
        return Term(tuple(known), np.asarray(self.table[tuple(index[known.index(column)] for column in columns)]))

    def fuse(self, other: Term) -> Term:
        """The sum of two terms as one term over the union of their genes."""
        columns = tuple(dict.fromkeys(self.columns + other.columns))
        return Term(columns, self._spread(columns) + other._spread(columns))

    def _spread(self, columns: tuple[int, ...]) -> FloatArray:
        """The table with an axis for each of some columns that include its own; axes of other columns have size 1."""
        axes = [self.columns.index(column) for column in columns if column in self.columns]
        missing = tuple(axis for axis, column in enumerate(columns) if column not in self.columns)
        return np.expand_dims(self.table.transpose(axes), missing)

    def fused_entries(self, other: Term) -> int:
        """Number of entries of the table that `fuse` would make."""
        sizes = dict(zip(self.columns + other.columns, self.table.shape + other.table.shape, strict=True))
        return prod(sizes.values())


@dataclass(frozen=True)
class DerivedColumn:
    """An integer that a few genes or earlier derived columns decide: `table[columns[0], columns[1], ...]`.

    Attributes:
        columns: Indices of the genes or derived columns that decide it.
        table: The integer for all values of the columns, with an axis for each column.
    """

    columns: tuple[int, ...]
    table: NDArray[np.int32]


class AdditiveCost:
    """A cost of gene vectors that is a sum of tabulated terms: `cost(genes (n, d)) -> (n,)`.

    Terms are fused into common tables that fit the cache, so a candidate takes a few look-ups, not one per layer.

    Args:
        terms: The summands; a term over no columns is a constant.
        derived: Columns that terms may read like genes; their indices follow that of the last gene.
        positive: Whether the sum is above 0 whatever the genes, as that of times is, so that another one is an error.

    Attributes:
        terms: The terms before they were fused.
        derived: The derived columns, in the order of their indices.
    """

    def __init__(self, terms: Sequence[Term], derived: Sequence[DerivedColumn] = (), positive: bool = False) -> None:
        self.terms, self.derived, self._positive = tuple(terms), tuple(derived), positive
        self._terms = [_LookUp(term.columns, term.table) for term in fuse_terms(terms)]
        self._derived = [_LookUp(column.columns, column.table) for column in derived]

    def __call__(self, genes: Genes) -> FloatArray:
        """The cost of every candidate, shape (n,), given genes of shape (n, d), canonical or not.

        Raises:
            ValueError: If the cost is to be positive, and that of a candidate is not.
        """
        total, first = np.zeros(len(genes)), genes.shape[1]
        for start in range(0, len(genes), _CHUNK_ROWS):
            chunk, part = genes[start : start + _CHUNK_ROWS], total[start : start + _CHUNK_ROWS]
            columns = np.empty((first + len(self._derived), len(chunk)), dtype=np.int32)
            columns[:first] = chunk.T
            for number, look_up in enumerate(self._derived, start=first):
                columns[number] = look_up(columns)
            for look_up in self._terms:
                part += look_up(columns)
        if self._positive and not (total > 0).all():
            raise ValueError(f"every network costs more than 0, and this sum of its parts is {total.min():.4g}")
        return total

    def expand(self, genes: int) -> list[Term]:
        """The terms over genes alone: derived columns are replaced by the genes that decide them.

        Args:
            genes: Number of genes, d.

        Raises:
            ValueError: If a table would have more than 2^22 entries.
        """
        return [self._expand_term(term, genes) for term in self.terms]

    def _expand_term(self, term: Term, genes: int) -> Term:
        # the last derived column first: it may read earlier ones
        while max(term.columns, default=0) >= genes:
            axis = int(np.argmax(term.columns))
            column = self.derived[term.columns[axis] - genes]
            others = term.columns[:axis] + term.columns[axis + 1 :]
            entries = term.table.size // term.table.shape[axis] * column.table.size
            if not entries <= _MOST_EXPANDED:
                raise ValueError(
                    f"a cost that {len({*others, *column.columns})} genes decide together takes a table of {entries:,} "
                    f"entries, more than {_MOST_EXPANDED:,}; use fewer policies"
                )
            table = np.moveaxis(term.table, axis, -1)[..., column.table]
            term = Term((*others, *column.columns), table).relabel((*others, *column.columns))
        return term


class _LookUp:
    """Looks up a table at columns of integers: those of the given indices, one for each axis."""

    def __init__(self, numbers: tuple[int, ...], table: NDArray[Any]) -> None:
        self._numbers, self._strides, self._table = numbers, _compute_strides(table.shape), np.ravel(table)

    def __call__(self, columns: NDArray[np.int32]) -> NDArray[Any]:
        """The entries, shape (n,), for all columns, shape (columns, n)."""
        code = np.zeros(columns.shape[1], dtype=np.int32)
        for number, stride in zip(self._numbers, self._strides, strict=True):
            code += columns[number] * stride
        return self._table.take(code)


def _compute_strides(shape: tuple[int, ...]) -> list[np.int32]:
    """Distances in a flat table between neighbours along each axis."""
    return [np.int32(prod(shape[axis + 1 :])) for axis in range(len(shape))]


def fuse_terms(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Fuses each term into the earlier one whose table grows least by it, if their common table fits the cache."""
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
