"""One budget of large costs with few common divisors: the solver of integer programs finds no better."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier_allocator import FrontierAllocator
from nas.compression.allocation.milp import MilpAllocator
from search_spaces.additive_cost import Term


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_the_integer_program_on_chains_of_layers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    damage, costs = (tuple(rng.random((10, 4))) for _ in range(2))
    edges = tuple(Term((layer, layer + 1), rng.random((4, 4))) for layer in range(9))
    problem = AllocationProblem(damage, (Budget("ms", costs, 6.0, edges),))
    values = [problem.damage_of(one.allocate(problem)) for one in (FrontierAllocator(), MilpAllocator())]
    assert values[0] == pytest.approx(values[1], rel=1e-9)
