"""Buckets cost little, never exceed the budget, and serve the mirrored problem alike."""

from __future__ import annotations

from itertools import product
from math import fsum

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import Infeasible
from nas.compression.allocation.dynamic_program import DynamicProgramAllocator
from nas.compression.allocation.frontier_allocator import FrontierAllocator


def real_problem(seed: int, layers: int = 8) -> AllocationProblem:
    rng = np.random.default_rng(seed)
    costs = tuple(np.sort(rng.random(4)) * rng.uniform(1.0, 30.0) for _ in range(layers))
    damage = tuple(known[::-1] ** 2 for known in costs)
    share = rng.uniform(0.1, 0.9)
    most = sum(float((1 - share) * known[0] + share * known[-1]) for known in costs)
    return AllocationProblem(damage, (Budget("ms", costs, most),))


@pytest.mark.parametrize("buckets", [20, 100, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_damage_is_within_the_bound_of_the_buckets(seed: int, buckets: int) -> None:
    """That of the best allocation of a budget that is smaller by a bucket for each layer."""
    problem = real_problem(seed)
    budget = problem.budgets[0]
    chosen = DynamicProgramAllocator(buckets).allocate(problem)
    assert not problem.excesses(chosen)
    least = sum(float(known.min()) for known in budget.costs)
    smaller = least + (budget.most - least) * (1 - len(problem.damage) / buckets)
    bound = AllocationProblem(problem.damage, (Budget("ms", budget.costs, smaller),))
    exact = problem.damage_of(FrontierAllocator().allocate(problem))
    assert exact <= problem.damage_of(chosen) <= problem.damage_of(FrontierAllocator().allocate(bound))


@pytest.mark.parametrize("seed", range(4))
def test_the_mirror_keeps_a_budget_of_damage_at_the_least_cost(seed: int) -> None:
    """L-GreCo: the error never exceeds E_max, and the size is at most the best for E_max (1 - L / D)."""
    problem = real_problem(seed)
    most_damage = 0.3 * sum(float(known.max()) for known in problem.damage)
    mirror = problem.mirror(most_damage)
    chosen = DynamicProgramAllocator(50).allocate(mirror)
    assert problem.damage_of(chosen) <= most_damage
    tighter = FrontierAllocator().allocate(problem.mirror(most_damage * (1 - 8 / 50)))
    assert problem.budgets[0].spend(chosen) <= problem.budgets[0].spend(tighter)


@pytest.mark.parametrize("seed", range(20))
def test_the_mirror_of_whole_damages_equals_brute_force(seed: int) -> None:
    """METHODS 6.2: the least size within a budget of errors, each of which is worth a bucket of its own."""
    rng = np.random.default_rng(seed)
    damage, costs = (tuple(rng.integers(0, 20, size=(5, 4)).astype(float)) for _ in range(2))
    problem, most_damage = AllocationProblem(damage, (Budget("bytes", costs, 1e9),)), float(rng.integers(30, 60))
    chosen = DynamicProgramAllocator().allocate(problem.mirror(most_damage))
    every = [row for row in product(range(4), repeat=5) if problem.damage_of(row) <= most_damage]
    assert problem.damage_of(chosen) <= most_damage
    assert problem.budgets[0].spend(chosen) == min(map(problem.budgets[0].spend, every))


def test_few_buckets_do_not_make_a_problem_infeasible() -> None:
    problem = real_problem(0)
    costs = problem.budgets[0].costs
    least = fsum(float(known.min()) for known in costs)
    barely = AllocationProblem(problem.damage, (Budget("ms", costs, least),))
    assert DynamicProgramAllocator(1).allocate(barely) == FrontierAllocator().allocate(barely)
    with pytest.raises(Infeasible):
        DynamicProgramAllocator(1).allocate(AllocationProblem(problem.damage, (Budget("ms", costs, least - 1e-9),)))


def test_there_is_at_least_one_bucket() -> None:
    with pytest.raises(ValueError, match="one or more buckets, got 0"):
        DynamicProgramAllocator(0).allocate(real_problem(0))
