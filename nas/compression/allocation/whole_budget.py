"""Budgets in whole units, and rows of small integers that a solver with tolerances keeps exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nas.compression.allocation.allocation_problem import Budget
from search_spaces.additive_cost import FloatArray

# A solver takes 1 and 1 + 1e-6 for the same integer, of each layer and carry: times a digit, well below 1 in sum.
_BASE = 1 << 12


@dataclass(frozen=True)
class WholeBudget:
    """What a budget leaves for choices that cost more than the cheapest of their layer.

    Floating-point numbers are whole multiples of a power of two, so nothing is rounded.

    Attributes:
        costs: Of all choices in a row, above the cheapest of their layer, in the largest unit that divides them all.
        most: In that unit; negative where the cheapest choices exceed the budget.
        layers: How many choices are made.
    """

    costs: tuple[int, ...]
    most: int
    layers: int

    @classmethod
    def from_budget(cls, budget: Budget) -> WholeBudget:
        """The same allocations keep it, by the rounded sums of `allocation_problem.sum_chosen`."""
        rows = [[Fraction(cost) for cost in known.tolist()] for known in budget.costs]
        least = sum(map(min, rows), Fraction())
        above = [cost - min(row) for row in rows for cost in row]
        fine = max(cost.denominator for cost in above)  # a power of two, as all are
        unit = Fraction(math.gcd(*(int(cost * fine) for cost in above)) or 1, fine)
        given = float(budget.most)
        halfway = (Fraction(given) + Fraction(math.nextafter(given, math.inf))) / 2
        most = math.floor((halfway - least) / unit)
        if float(least + most * unit) > given:  # just halfway, which is rounded to the even neighbour
            most -= 1
        return cls(tuple(int(cost / unit) for cost in above), most, len(rows))

    def scaled(self) -> tuple[FloatArray, float]:
        """Costs, shape (choices,), scaled so that the largest is 1, and the most in the same unit.

        A solver's tolerances are absolute numbers, so what it is given must be of the order of 1.
        """
        scale = max(self.costs) or max(abs(self.most), 1)
        return np.array([cost / scale for cost in self.costs]), self.most / scale

    def digits(self) -> DigitRows:
        """The budget digit by digit, as one adds by hand: costs and what is left over sum to the most."""
        rows = max(self.most.bit_length() - 1, 0) // (_BASE.bit_length() - 1) + 1
        carried = (np.eye(rows, k=-1) - _BASE * np.eye(rows))[:, :-1]
        return DigitRows(
            np.array([_digits(cost, rows) for cost in self.costs]).T,
            np.hstack([np.eye(rows), carried]),
            np.array(_digits(self.most, rows)),
            np.repeat([_BASE - 1.0, self.layers + 1.0], [rows, rows - 1]),
        )


@dataclass(frozen=True, eq=False)
class DigitRows:
    """Equations in whole numbers: `choices` x which are chosen + `others` x digits left over and carries = `right`.

    What costs more than the most by itself cannot be chosen; its digits mean nothing.

    Attributes:
        choices: Shape (digits, choices).
        others: Shape (digits, others).
        right: Shape (digits,).
        largest: The most that each of the others can be, shape (others,); the least is 0.
    """

    choices: FloatArray
    others: FloatArray
    right: FloatArray
    largest: FloatArray


def _digits(number: int, count: int) -> list[float]:
    """The digits of a number to `_BASE`, the lowest first."""
    return [float(number // _BASE**power % _BASE) for power in range(count)]
