"""Quantities that few genes decide: computed once for all values of those genes, and looked up from then on.

A function of one candidate is computed for a whole space by applying it to `Quantity`s instead of values: `derive`
calls it for every combination of values that its inputs can take together, and tabulates the results by the genes that
decide them. Where these genes are too many for a table, an input becomes a derived column: an integer that is looked up
first, and that stands in the table for the genes behind it. Independent of layers and costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from search_spaces.additive_cost import CACHED_ENTRIES, DerivedColumn, Term

Value = TypeVar("Value")
IntArray = NDArray[np.int32]

# The largest table that is made where derived columns cannot make it smaller: 16 MiB of codes.
_MOST_ENTRIES = 1 << 22


@dataclass(frozen=True, eq=False)
class Quantity(Generic[Value]):
    """`values[codes[columns[0], columns[1], ...]]`, where columns are genes or derived columns.

    Attributes:
        columns: Indices of the columns that decide it, rising; empty for a constant.
        codes: Indices into `values` for all values of the columns, with an axis for each column.
        values: The distinct values that it takes.
    """

    columns: tuple[int, ...]
    codes: IntArray
    values: tuple[Value, ...]


class Quantities:
    """Makes quantities of the genes of a space, and collects the derived columns that they need.

    Args:
        cardinalities: Number of values of each of the d genes.

    Attributes:
        derived: The columns that were derived so far, to be given to the `AdditiveCost` of the terms.
    """

    def __init__(self, cardinalities: Sequence[int]) -> None:
        self.derived: list[DerivedColumn] = []
        self._sizes = list(cardinalities)
        self._columns: dict[Quantity[Any], Quantity[Any]] = {}

    def from_genes(self, genes: Sequence[int], values: Sequence[Value]) -> Quantity[Value]:
        """A quantity that some genes decide.

        Args:
            genes: Indices of the genes, in any order.
            values: The value of the quantity for every combination of values of these genes, in row-major order.
        """
        order = np.argsort(genes)
        shape = [self._sizes[gene] for gene in genes]
        codes = np.arange(prod(shape)).reshape(shape).transpose(order)
        return self._intern(tuple(sorted(genes)), codes, values)

    def constant(self, value: Value) -> Quantity[Value]:
        """The quantity that has one value, whatever the genes."""
        return Quantity((), np.zeros((), np.int32), (value,))

    def derive(self, function: Callable[..., Value], *inputs: Quantity[Any]) -> Quantity[Value]:
        """The quantity that a function of other quantities yields.

        Args:
            function: Takes a value of each input and returns a hashable value; called once for every combination of
                values that can occur.
            inputs: The quantities that it is a function of.

        Raises:
            ValueError: If the table would have more than 2^22 entries even with derived columns.
        """
        known = self._bound(inputs)
        columns = _unite_columns(known)
        sizes = [len(quantity.values) for quantity in known]
        spread = [np.broadcast_to(_spread_codes(one, columns), self._shape(columns)) for one in known]
        together = np.ravel_multi_index(spread, sizes) if known else np.zeros((), np.int64)
        found, codes = np.unique(together, return_inverse=True)
        arguments = zip(*np.unravel_index(found, sizes), strict=True) if known else [()]
        values = [
            function(*(quantity.values[at] for quantity, at in zip(known, each, strict=True))) for each in arguments
        ]
        return self._intern(columns, codes.reshape(together.shape), values)

    def to_term(self, cost: Quantity[float]) -> Term:
        """A cost as a term of an `AdditiveCost` that has the columns derived so far."""
        return Term(cost.columns, np.array(cost.values)[cost.codes])

    def _intern(self, columns: tuple[int, ...], rows: NDArray[np.int64], values: Sequence[Value]) -> Quantity[Value]:
        """The quantity `values[rows]`: equal values become one, and columns that change nothing are left out."""
        numbers: dict[Value, int] = {}
        codes: IntArray = np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int32)[rows]
        for axis in reversed(range(codes.ndim)):
            if (codes == codes.take([0], axis)).all():
                codes, columns = codes[(slice(None),) * axis + (0,)], columns[:axis] + columns[axis + 1 :]
        return Quantity(columns, codes, tuple(numbers))

    def _bound(self, inputs: Sequence[Quantity[Any]]) -> list[Quantity[Any]]:
        """The inputs, of which as many are replaced by derived columns as it takes for a common table to fit the cache.

        Raises:
            ValueError: If the table would have more than 2^22 entries even so.
        """
        known = list(inputs)
        while (entries := self._entries(known)) > CACHED_ENTRIES:
            left = [
                self._entries([*known[:at], *known[at + 1 :]]) * len(quantity.values)
                for at, quantity in enumerate(known)
            ]
            at = int(np.argmin(left))
            if left[at] >= entries:  # all are columns already
                break
            known[at] = self._make_column(known[at])
        if not entries <= _MOST_ENTRIES:
            raise ValueError(f"a quantity takes a table of {entries:,} entries, more than {_MOST_ENTRIES:,}")
        return known

    def _make_column(self, quantity: Quantity[Any]) -> Quantity[Any]:
        """The same quantity, decided by a derived column of its own, which is made at most once."""
        if quantity not in self._columns:
            count = len(quantity.values)
            column = Quantity((len(self._sizes),), np.arange(count, dtype=np.int32), quantity.values)
            self.derived.append(DerivedColumn(quantity.columns, quantity.codes))
            self._sizes.append(count)
            self._columns[quantity] = column
        return self._columns[quantity]

    def _entries(self, quantities: Sequence[Quantity[Any]]) -> int:
        """Number of entries of a table over all columns of some quantities."""
        return prod(self._shape(_unite_columns(quantities)))

    def _shape(self, columns: Sequence[int]) -> list[int]:
        return [self._sizes[column] for column in columns]


def _unite_columns(quantities: Sequence[Quantity[Any]]) -> tuple[int, ...]:
    return tuple(sorted({column for quantity in quantities for column in quantity.columns}))


def _spread_codes(quantity: Quantity[Any], columns: tuple[int, ...]) -> IntArray:
    """The codes with an axis for each of some columns that include its own."""
    missing = tuple(axis for axis, column in enumerate(columns) if column not in quantity.columns)
    return np.expand_dims(quantity.codes, missing)
