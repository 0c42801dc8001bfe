"""Additive costs: exact sums over layer slots, priced by array look-ups.

In: small tables over a few genes each. Out: `AdditiveCost`, which prices genes. Knows no layer, policy or device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from search_spaces.space import Genes

FloatArray = NDArray[np.float64]
_FUSED_ENTRIES = 1 << 14  # a fused table stays within the second-level cache (128 KiB of doubles)
_CHUNK_ROWS = 4096  # the columns of a chunk stay in cache while every term reads them


@dataclass(frozen=True)
class Term:
    """A cost that depends on a few genes: `table[genes[columns[0]], genes[columns[1]], ...]`."""

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


class AdditiveCost:
    """Prices gene vectors by summing tabulated terms: `cost(genes (n, d)) -> (n,)`.

    Neighbouring terms that share most of their genes are fused into one table while it fits the cache, so a candidate
    costs a few look-ups, not one per layer.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = _fuse(terms)

    def __call__(self, genes: Genes) -> FloatArray:
        """The cost of every candidate, shape (n,), given genes of shape (n, d), canonical or not."""
        total = np.zeros(len(genes))
        flat = [(term.columns, _strides(term.table.shape), np.ravel(term.table)) for term in self.terms]
        for start in range(0, len(genes), _CHUNK_ROWS):
            rows = np.ascontiguousarray(genes[start : start + _CHUNK_ROWS].T, dtype=np.int32)
            part = total[start : start + _CHUNK_ROWS]
            for columns, strides, table in flat:
                code = np.zeros(rows.shape[1], dtype=np.int32)
                for column, stride in zip(columns, strides, strict=True):
                    code += rows[column] * stride
                part += table[code]
        return total


def _strides(shape: tuple[int, ...]) -> list[np.int32]:
    return [np.int32(prod(shape[axis + 1 :])) for axis in range(len(shape))]


def _fuse(terms: Sequence[Term]) -> tuple[Term, ...]:
    fused: list[Term] = []
    for term in terms:
        if fused and fused[-1].fused_entries(term) <= _FUSED_ENTRIES:
            fused[-1] = fused[-1].fuse(term)
        else:
            fused.append(term)
    return tuple(fused)
