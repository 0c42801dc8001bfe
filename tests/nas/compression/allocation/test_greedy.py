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
