"""Costs as 64-bit whole numbers, which sums and comparisons of any order leave exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from nas.compression.allocation.whole_budget import count_units
from nas.one_hot_program import Integers
from search_spaces.additive_cost import FloatArray, Term

_MOST_BITS = 61  # of a sum, with a bit to spare below the 63 of a signed number
_MANTISSA_BITS = 53


@dataclass(frozen=True, eq=False)
class WholeCosts:
    """Tables of costs in whole units, above the least entry of each table.

    They are exact if the largest possible sum has at most 61 bits in the largest unit that divides all costs. If it has
    more, costs are rounded up to a unit of which that sum is about 2^61.

    Attributes:
        tables: The tables of costs, each from 0 upwards.
        least: The sum of the least entries.
        unit: The unit.
    """

    tables: list[Integers]
    least: Fraction
    unit: Fraction

    @classmethod
    def from_terms(cls, terms: Sequence[Term]) -> WholeCosts:
        """The costs of some tables, one or more."""
        largest = sum(float(np.abs(term.table).max()) for term in terms)
        lowest = _find_lowest_bit(np.concatenate([term.table.ravel() for term in terms]))
        shift = min(-lowest, _MOST_BITS - int(np.frexp(largest)[1]))
        whole = [np.ceil(np.ldexp(term.table, shift)).astype(np.int64) for term in terms]
        above = [table - table.min() for table in whole]
        common = int(np.gcd.reduce(np.concatenate([table.ravel() for table in above]))) or 1
        fine = Fraction(2) ** -shift
        return cls([table // common for table in above], sum(int(table.min()) for table in whole) * fine, common * fine)

    @cached_property
    def largest(self) -> int:
        """A number of units that no sum exceeds."""
        return sum(int(table.max()) for table in self.tables)

    def count_most(self, most: float) -> int:
        """How many units may be spent within an upper bound of the sum: `largest` at the most, -1 if not even none."""
        return min(max(count_units(most, self.least, self.unit), -1), self.largest)

    def price(self, counts: Integers) -> FloatArray:
        """The costs of numbers of units, each rounded once.

        Args:
            counts: Numbers of units, shape (n,).

        Returns:
            Costs, shape (n,).
        """
        fine = math.lcm(self.least.denominator, self.unit.denominator)
        least, unit = int(self.least * fine), int(self.unit * fine)
        return np.array([(least + count * unit) / fine for count in counts.tolist()])  # a quotient is rounded once


def _find_lowest_bit(values: FloatArray) -> int:
    """The exponent of the largest power of two that divides all values; 0 if all are 0."""
    mantissas, exponents = np.frexp(values[values != 0])
    if not len(mantissas):
        return 0
    whole = (np.abs(mantissas) * 2.0**_MANTISSA_BITS).astype(np.int64)
    trailing = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    return int((exponents - _MANTISSA_BITS + trailing).min())
