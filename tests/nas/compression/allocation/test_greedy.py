"""Each step goes where a unit of cost adds the least damage."""

from __future__ import annotations

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.greedy import GreedyAllocator


def test_steps_are_those_of_least_damage_for_the_cost_and_overshoot() -> None:
    """Layer 1 saves 4 for a damage of 1; then layer 0 saves 10 for 3, where 2 would have done for 1."""
    damage = (np.array([0.0, 3.0, 1.0]), np.array([0.0, 1.0]))
    costs = (np.array([20.0, 10.0, 18.0]), np.array([8.0, 4.0]))
    for most, chosen in ((28.0, (0, 0)), (24.0, (0, 1)), (22.0, (1, 1))):
        assert GreedyAllocator().allocate(AllocationProblem(damage, (Budget("size", costs, most),))) == chosen


def test_mean_bits_between_two_integers_are_met_by_the_order_of_importance() -> None:
    """Of 8 layers at 4 or 2 bits, a mean of 3.25 lowers the three that matter least, and the mean is exact."""
    importance = np.array([0.5, -0.2, 0.9, 0.1, 0.3, -0.6, 0.7, 0.0])  # as LIM gives it, from -1 to 1
    damage = tuple(np.array([0.0, 1.0 + value]) for value in importance)
    problem = AllocationProblem(damage, (Budget("mean_bits", (np.array([4.0, 2.0]) / 8,) * 8, 3.25),))
    chosen = GreedyAllocator().allocate(problem)
    assert {layer for layer, choice in enumerate(chosen) if choice} == {*np.argsort(importance)[:3].tolist()}
    assert problem.budgets[0].spend(chosen) == 3.25
