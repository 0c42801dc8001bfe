"""Time that is spent is another answer than that nothing fits; what is near to a budget takes none."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import inf

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

from nas.compression.allocation import milp
from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, sum_chosen
from nas.compression.allocation.allocator import Infeasible, OutOfTime, SolverFailed
from nas.compression.allocation.milp import MilpAllocator


def test_time_that_is_spent_is_said() -> None:
    rng = np.random.default_rng(0)
    damage, costs = (tuple(rng.random((40, 5))) for _ in range(2))
    problem = AllocationProblem(damage, (Budget("size", costs, 12.0), Budget("ms", costs[::-1], 12.0)))
    with pytest.raises(OutOfTime, match="of 40 layers' policies was not found in time"):
        MilpAllocator(most_s=0.0).allocate(problem)
    chosen = MilpAllocator().allocate(problem)
    assert not problem.excesses(chosen)


def test_nodes_that_are_spent_are_said() -> None:
    """The answer is the same however busy the machine is; a limit that is not reached changes nothing."""
    rng = np.random.default_rng(0)
    damage, costs = (tuple(rng.random((40, 5))) for _ in range(2))
    problem = AllocationProblem(damage, (Budget("size", costs, 12.0), Budget("ms", costs[::-1], 12.0)))
    with pytest.raises(OutOfTime, match="of 40 layers' policies was not found in 2 nodes"):
        MilpAllocator(most_s=inf, most_nodes=2).allocate(problem)
    assert MilpAllocator(most_s=inf, most_nodes=10**6).allocate(problem) == MilpAllocator().allocate(problem)


def test_all_that_is_near_to_a_budget_is_told_apart_at_once() -> None:
    """All 2^14 allocations are within 2e-9 of the budget; one keeps it."""
    problem = AllocationProblem(
        (np.array([1.0, 0.0]),) * 14, (Budget("size", (np.array([1.0, 1 + 1e-10]),) * 14, 14.0),)
    )
    assert MilpAllocator(most_s=5.0).allocate(problem) == (0,) * 14


@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_beside_a_layer_that_costs_much_the_others_count(scale: float) -> None:
    """Of 14 layers that differ by 1e-10, 7 may take what costs more; another layer makes that 1e-10 of its cost."""
    fine, coarse = scale * np.array([1.0, 1.0 + 1e-10]), scale * np.array([0.0, 1.0])
    damage = (*[np.array([1.0, 0.0])] * 14, np.array([100.0, 0.0]))
    problem = AllocationProblem(damage, (Budget("size", (*[fine] * 14, coarse), scale * (15.0 + 7.5e-10)),))
    chosen = MilpAllocator(most_s=5.0).allocate(problem)
    assert not problem.excesses(chosen)
    assert sum_chosen(damage, chosen) == 7.0


def test_what_else_ends_a_solver_is_said_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milp, "milp", lambda *_, **__: OptimizeResult(status=4, message="numerical trouble", x=None))
    with pytest.raises(SolverFailed, match="numerical trouble"):
        MilpAllocator().allocate(AllocationProblem((np.zeros(2),)))


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


def assert_equals_brute_force(problems: Iterable[AllocationProblem]) -> None:
    """Some of the problems must have no solution."""
    infeasible = 0
    for number, problem in enumerate(problems):
        least = least_damage(problem)
        if least is None:
            infeasible += 1
            with pytest.raises(Infeasible) as refused:
                MilpAllocator().allocate(problem)
            assert all(excess > 0 for excess in refused.value.excesses.values())
            assert refused.value.excesses.keys() <= {budget.name for budget in problem.budgets}
            continue
        chosen = MilpAllocator().allocate(problem)
        assert not problem.excesses(chosen), number
        assert sum_chosen(problem.damage, chosen) == least, number
    assert infeasible > 0


@pytest.mark.parametrize("seeds", [range(start, start + 30) for start in (0, 30, 60)], ids=str)
def test_the_last_bits_of_costs_count(seeds: range) -> None:
    """Many allocations lie nearer to a budget than any solver's tolerance, on either side."""
    assert_equals_brute_force(map(fine_instance, seeds))


def test_of_several_budgets_the_nearest_allocation_is_told() -> None:
    """Each alone can be kept."""
    damage, costs = (np.zeros(2), np.zeros(2)), (np.array([1.0, 3.0]), np.array([2.0, 5.0]))
    mirrored = tuple(known[::-1].copy() for known in costs)
    problem = AllocationProblem(damage, (Budget("a", costs, 3.0), Budget("b", mirrored, 3.0)))
    with pytest.raises(Infeasible) as refused:
        MilpAllocator().allocate(problem)
    assert sum(refused.value.excesses.values()) == 5.0
    loose = AllocationProblem(damage, (Budget("size", costs, 8.0), Budget("latency", costs, 2.5)))
    with pytest.raises(Infeasible, match=r"the nearest exceeds latency by 0\.5"):
        MilpAllocator().allocate(loose)
