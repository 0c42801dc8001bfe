"""Budgets in whole numbers, written as equations of small integers, which a solver with tolerances solves exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nas.one_hot_program import Integers
from search_spaces.additive_cost import FloatArray

# Base of the digits. A solver takes 1 and 1 + 1e-6 for the same integer. Such an error times a digit of this base,
# summed over all layers and carries, stays well below 1.
_BASE = 1 << 12


@dataclass(frozen=True)
class Row:
    """A table of an integer program, one entry of which is chosen.

    Attributes:
        variables: The variable of each entry, shape (entries,); one of them is 1, the others are 0.
        values: The cost of each entry, shape (entries,).
    """

    variables: Integers
    values: FloatArray


@dataclass(frozen=True)
class WholeBudget:
    """A budget in whole numbers, after the cheapest entry of every row is paid.

    Floating-point numbers are whole multiples of a power of two, so nothing is rounded.

    Attributes:
        costs: For every variable, its cost above the cheapest entries of its rows, in the largest unit that divides all
            of them.
        most: The rest of the budget in that unit; negative if the cheapest entries already exceed the budget.
        rows: Number of rows.
    """

    costs: tuple[int, ...]
    most: int
    rows: int

    @classmethod
    def from_rows(cls, rows: Sequence[Row], most: float, variables: int) -> WholeBudget:
        """The whole budget that the same allocations keep, by the sums of `allocation_problem.sum_chosen`.

        Args:
            rows: The tables whose chosen entries are summed.
            most: The upper bound of the sum.
            variables: Number of variables of the program.
        """
        least, above = Fraction(), [Fraction()] * variables
        for row in rows:
            exact = [Fraction(value) for value in row.values.tolist()]
            cheapest = min(exact)
            least += cheapest
            for variable, value in zip(row.variables.tolist(), exact, strict=True):
                above[variable] += value - cheapest
        fine = max(cost.denominator for cost in above)  # a power of two, as all are
        unit = Fraction(math.gcd(*(int(cost * fine) for cost in above)) or 1, fine)
        return cls(tuple(int(cost / unit) for cost in above), count_units(most, least, unit), len(rows))

    def scaled(self) -> tuple[FloatArray, float]:
        """Costs, shape (variables,), scaled so that the largest is 1, and the bound in the same unit.

        A solver's tolerances are absolute, so its numbers must be of the order of 1.
        """
        scale = max(self.costs) or max(abs(self.most), 1)
        return np.array([cost / scale for cost in self.costs]), self.most / scale

    def digits(self) -> DigitRows:
        """The budget as equations, one per digit, as in written addition: costs plus unused budget equal the bound."""
        rows = max(self.most.bit_length() - 1, 0) // (_BASE.bit_length() - 1) + 1
        carried = (np.eye(rows, k=-1) - _BASE * np.eye(rows))[:, :-1]
        return DigitRows(
            np.array([_digits(cost, rows) for cost in self.costs]).T,
            np.hstack([np.eye(rows), carried]),
            np.array(_digits(self.most, rows)),
            np.repeat([_BASE - 1.0, self.rows + 1.0], [rows, rows - 1]),
        )


@dataclass(frozen=True, eq=False)
class DigitRows:
    """Equations in whole numbers, `choices @ x + others @ y = right`.

    The vector x has a 1 for each chosen entry; y holds the digits of the unused budget, then the carries. An entry
    that exceeds the budget by itself must be excluded by the solver: its highest digits are cut off here.

    Attributes:
        choices: Digits of the costs, shape (digits, variables).
        others: Coefficients of y, shape (digits, others).
        right: Digits of the bound, shape (digits,).
        largest: Upper bounds of y, shape (others,); the lower bounds are 0.
    """

    choices: FloatArray
    others: FloatArray
    right: FloatArray
    largest: FloatArray


def count_units(most: float, least: Fraction, unit: Fraction) -> int:
    """How many units may be spent beyond `least`, so that the sum, rounded to the nearest number, is within a bound.

    Args:
        most: The bound.
        least: What is spent whatever is chosen.
        unit: What all further costs are multiples of.
    """
    given = float(most)
    halfway = (Fraction(given) + Fraction(math.nextafter(given, math.inf))) / 2
    count, rest = divmod(halfway - least, unit)
    if rest == 0 and float(halfway) > given:  # just halfway, which is rounded to the even neighbour
        count -= 1
    return count


def _digits(number: int, count: int) -> list[float]:
    """The lowest `count` digits of a number in base `_BASE`, the lowest first."""
    return [float(number // _BASE**power % _BASE) for power in range(count)]
