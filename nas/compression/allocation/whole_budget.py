"""Budgets in whole numbers, written as equations of small integers, which a solver with tolerances solves exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nas.compression.allocation.allocation_problem import Budget
from search_spaces.additive_cost import FloatArray

# Base of the digits. A solver takes 1 and 1 + 1e-6 for the same integer. Such an error times a digit of this base,
# summed over all layers and carries, stays well below 1.
_BASE = 1 << 12


@dataclass(frozen=True)
class WholeBudget:
    """A budget in whole numbers, after the cheapest choice of every layer is paid.

    Floating-point numbers are whole multiples of a power of two, so nothing is rounded.

    Attributes:
        costs: For every choice, layer after layer, its cost above the cheapest choice of its layer, in the largest unit
            that divides all of them.
        most: The rest of the budget in that unit; negative if the cheapest choices already exceed the budget.
        layers: Number of layers.
    """

    costs: tuple[int, ...]
    most: int
    layers: int

    @classmethod
    def from_budget(cls, budget: Budget) -> WholeBudget:
        """The whole budget that the same allocations keep, by the sums of `allocation_problem.sum_chosen`."""
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
        """Costs, shape (choices,), scaled so that the largest is 1, and the bound in the same unit.

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
            np.repeat([_BASE - 1.0, self.layers + 1.0], [rows, rows - 1]),
        )


@dataclass(frozen=True, eq=False)
class DigitRows:
    """Equations in whole numbers, `choices @ x + others @ y = right`.

    The vector x has a 1 for each chosen policy; y holds the digits of the unused budget, then the carries. A choice
    that exceeds the budget by itself must be excluded by the solver: its highest digits are cut off here.

    Attributes:
        choices: Digits of the costs, shape (digits, choices).
        others: Coefficients of y, shape (digits, others).
        right: Digits of the bound, shape (digits,).
        largest: Upper bounds of y, shape (others,); the lower bounds are 0.
    """

    choices: FloatArray
    others: FloatArray
    right: FloatArray
    largest: FloatArray


def _digits(number: int, count: int) -> list[float]:
    """The lowest `count` digits of a number in base `_BASE`, the lowest first."""
    return [float(number // _BASE**power % _BASE) for power in range(count)]
