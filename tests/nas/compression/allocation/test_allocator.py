"""The contract of allocators, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, sum_chosen
from nas.compression.allocation.allocator import Infeasible
from nas.compression.allocation.registry import ALLOCATORS

pytestmark = pytest.mark.parametrize("name", list(ALLOCATORS))


def instance(seed: int) -> AllocationProblem:
    """Up to 5 layers of 1 to 4 choices, small integers with many ties, up to 3 budgets from tight to too tight."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, size=rng.integers(1, 6))

    def values(most: int) -> tuple[np.ndarray, ...]:
        return tuple(rng.integers(0, most, size=size).astype(float) for size in sizes)

    damage, budgets = values(6), []
    for number in range(rng.integers(0, 4)):
        costs = values(9)
        least, largest = (sum(float(pick(known)) for known in costs) for pick in (np.min, np.max))
        budgets.append(Budget(f"cost {number}", costs, float(np.round(rng.uniform(least - 1, largest)))))
    return AllocationProblem(damage, tuple(budgets))


def fine_instance(seed: int) -> AllocationProblem:
    """5 layers, and 2 budgets that some allocation meets, or misses by a small part of the costs."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, size=5)
    damage, budgets = tuple(rng.integers(0, 6, size=size).astype(float) for size in sizes), []
    for number, small in enumerate(10.0 ** rng.integers(-17, -7, size=2)):
        costs = tuple(rng.integers(0, 2, size=size) + small * rng.integers(0, 9, size=size) for size in sizes)
        met = sum_chosen(costs, rng.integers(0, sizes).tolist())
        budgets.append(Budget(f"cost {number}", costs, met + small * float(rng.choice([-1.0, 0.0, 1.0]))))
    return AllocationProblem(damage, tuple(budgets))


def least_damage(problem: AllocationProblem) -> float | None:
    """By brute force; None if nothing keeps all budgets."""
    every = product(*(range(len(known)) for known in problem.damage))
    return min((sum_chosen(problem.damage, chosen) for chosen in every if not problem.excesses(chosen)), default=None)


def assert_equals_brute_force(name: str, problems: Iterable[AllocationProblem]) -> None:
    """Some of the problems must have no solution."""
    infeasible = 0
    for number, problem in enumerate(problems):
        least = least_damage(problem)
        if least is None:
            infeasible += 1
            with pytest.raises(Infeasible) as refused:
                ALLOCATORS[name]().allocate(problem)
            assert all(excess > 0 for excess in refused.value.excesses.values())
            assert refused.value.excesses.keys() <= {budget.name for budget in problem.budgets}
            continue
        chosen = ALLOCATORS[name]().allocate(problem)
        assert not problem.excesses(chosen), number
        assert sum_chosen(problem.damage, chosen) == least, number
    assert infeasible > 0


@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in (0, 50, 100, 150)], ids=str)
def test_it_equals_brute_force(name: str, seeds: range) -> None:
    assert_equals_brute_force(name, map(instance, seeds))


def test_a_tighter_budget_never_does_less_damage(name: str) -> None:
    rng = np.random.default_rng(0)
    costs = tuple(np.sort(rng.random(3)) for _ in range(12))
    damage = tuple(known[::-1] ** 2 for known in costs)
    found = []
    for most in np.linspace(sum(known[0] for known in costs) + 1e-9, sum(known[-1] for known in costs), 8):
        problem = AllocationProblem(damage, (Budget("size", costs, float(most)),))
        found.append(sum_chosen(damage, ALLOCATORS[name]().allocate(problem)))
    assert found == sorted(found, reverse=True)


def test_a_budget_is_kept_to_the_last_bit(name: str) -> None:
    """The least damage exceeds the budget by less than any solver's tolerance."""
    problem = AllocationProblem((np.array([0.0, 1.0, 2.0]),), (Budget("ms", (np.array([1 + 1e-12, 1.0, 0.5]),), 1.0),))
    assert ALLOCATORS[name]().allocate(problem) == (1,)


@pytest.mark.parametrize("seeds", [range(start, start + 30) for start in (0, 30, 60)], ids=str)
def test_the_last_bits_of_costs_count(name: str, seeds: range) -> None:
    """Many allocations lie nearer to a budget than any solver's tolerance, on either side."""
    assert_equals_brute_force(name, map(fine_instance, seeds))


def test_damages_of_very_different_sizes_count(name: str) -> None:
    damage = (np.array([0.0, 1.0]), np.array([2e-7, 1e-7]))
    assert ALLOCATORS[name]().allocate(AllocationProblem(damage)) == (0, 1)


def test_what_cannot_be_is_said_with_by_how_much(name: str) -> None:
    damage, costs = (np.zeros(2), np.zeros(2)), (np.array([1.0, 3.0]), np.array([2.0, 5.0]))
    mirrored = tuple(known[::-1].copy() for known in costs)
    budgets = (Budget("size", costs, 8.0), Budget("latency", costs, 2.5))
    line = "no choice of policies keeps all budgets; the nearest exceeds latency by 0.5; raise these budgets"
    with pytest.raises(Infeasible, match=re.escape(line)):
        ALLOCATORS[name]().allocate(AllocationProblem(damage, budgets))
    with pytest.raises(Infeasible) as refused:  # each alone can be kept
        ALLOCATORS[name]().allocate(AllocationProblem(damage, (Budget("a", costs, 3.0), Budget("b", mirrored, 3.0))))
    assert sum(refused.value.excesses.values()) == 5.0
