"""A budget in whole units is the same budget."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.whole_budget import Row, WholeBudget


def whole(costs: tuple[np.ndarray, ...], most: float) -> WholeBudget:
    """A variable for each choice of each layer."""
    variables = np.split(np.arange(sum(map(len, costs))), np.cumsum([len(known) for known in costs])[:-1])
    return WholeBudget.from_rows([Row(*one) for one in zip(variables, costs, strict=True)], most, sum(map(len, costs)))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_allocations_keep_it(seed: int) -> None:
    """Also those whose sum is rounded down to the budget."""
    rng = np.random.default_rng(seed)
    costs = tuple(rng.integers(-2, 3, size=3) + 2.0**-52 * rng.integers(0, 9, size=3) for _ in range(4))
    budget = Budget("size", costs, float(rng.integers(-2, 6)) + 2.0**-51)
    problem, exact = AllocationProblem(costs, (budget,)), whole(costs, budget.most)
    rows = [exact.costs[start : start + 3] for start in range(0, 12, 3)]
    for chosen in product(range(3), repeat=4):
        spent = sum(row[choice] for row, choice in zip(rows, chosen, strict=True))
        assert (spent <= exact.most) is not bool(problem.excesses(chosen))


def test_units_are_as_large_as_they_can_be() -> None:
    sizes = (np.array([2000.0, 4000.0, 8000.0]), np.array([500.0, 4500.0]))
    assert whole(sizes, 9000.0) == WholeBudget((0, 1, 3, 0, 2), 3, 2)
    assert whole(sizes, 2400.0).most < 0
    assert whole((np.full(2, 0.1),), 0.3).costs == (0, 0)


def test_digits_are_added_by_hand() -> None:
    """5000 + 3192 of 8200 leaves 8: the lowest digits, 904, 3192 and 8, are 8 and a carry."""
    rows = WholeBudget((0, 5000, 0, 3192), 8200, 2).digits()
    chosen, left_and_carried = np.array([0, 1, 0, 1]), np.array([8, 0, 1])
    assert (rows.choices @ chosen + rows.others @ left_and_carried == rows.right).all()
    assert rows.right.tolist() == [8, 2]
    assert rows.largest.tolist() == [4095, 4095, 3]


def test_variables_may_stand_in_several_rows() -> None:
    """Two tied layers, and a table of its own: each row pays its cheapest entry, and the costs of a variable add up."""
    rows = [Row(np.array([0, 1]), np.array([1.0, 3.0])), Row(np.array([0, 1]), np.array([5.0, 4.0]))]
    budget = WholeBudget.from_rows([*rows, Row(np.array([2, 3]), np.array([0.0, 2.0]))], 9.0, 4)
    assert budget == WholeBudget((1, 2, 0, 2), 4, 3)
