"""The contract of allocators, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import Abilities, Infeasible, Unsupported
from nas.compression.allocation.registry import ALLOCATORS
from search_spaces.additive_cost import FloatArray, Term

pytestmark = pytest.mark.parametrize("name", list(ALLOCATORS))

# Whole numbers are few enough for a bucket each.
EXACT_HERE = {"milp", "frontier", "dynamic_program"}


def instance(seed: int, abilities: Abilities) -> AllocationProblem:
    """Up to 5 layers of 1 to 4 choices, small integers with many equal values, from no to too tight budgets.

    There are ties, several budgets, and tables of two and three layers as far as an allocator takes them.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, size=rng.integers(1, 6))
    ties = []
    if rng.random() < 0.5:
        order = rng.permutation(len(sizes)).tolist()
        ties = [tuple(order[start : start + 2]) for start in range(0, len(order) - 1, 2)][: rng.integers(0, 3)]
        for tie in ties:
            sizes[list(tie)] = sizes[tie[0]]

    def values(most: int) -> tuple[FloatArray, ...]:
        return tuple(rng.integers(0, most, size=size).astype(float) for size in sizes)

    def joint(taken: bool, least: int, most: int) -> tuple[Term, ...]:
        scopes = list(combinations(range(len(sizes)), 2))
        if abilities.exact:
            scopes += combinations(range(len(sizes)), 3)
        chosen = rng.permutation(len(scopes))[: rng.integers(0, 5)] if taken and scopes else []
        tables = [tuple(rng.permutation(scopes[number]).tolist()) for number in chosen]
        return tuple(Term(scope, rng.integers(least, most, size=sizes[list(scope)]).astype(float)) for scope in tables)

    damage, pairs, budgets = values(6), joint(abilities.pairs, -2, 3), []
    for number in range(int(min(rng.integers(0, 4), abilities.most_budgets))):
        costs, together = values(9), joint(abilities.joint_costs, 0, 4)
        least, largest = (sum(float(pick(known)) for known in costs) for pick in (np.min, np.max))
        most = float(np.round(rng.uniform(least - 1, largest + len(together))))
        budgets.append(Budget(f"cost {number}", costs, most, together))
    return AllocationProblem(damage, tuple(budgets), tuple(ties), pairs)


def enumerate_all(problem: AllocationProblem) -> tuple[FloatArray, FloatArray]:
    """The damage of every allocation that keeps the ties, shape (n,), and its costs, shape (budgets, n)."""
    every = np.indices(problem.sizes).reshape(len(problem.sizes), -1)
    for tie in problem.ties:
        every = every[:, (every[list(tie)] == every[tie[0]]).all(axis=0)]
    sums = [
        sum(term.table[tuple(every[layer] for layer in term.columns)] for term in terms)
        for terms in (problem.terms, *(budget.terms for budget in problem.budgets))
    ]
    return sums[0], np.array(sums[1:]).reshape(len(problem.budgets), every.shape[1])


@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in (0, 50, 100, 150)], ids=str)
def test_it_equals_brute_force_or_is_no_better(name: str, seeds: range) -> None:
    infeasible = 0
    for seed in seeds:
        problem = instance(seed, ALLOCATORS[name]().abilities)
        damages, costs = enumerate_all(problem)
        kept = (costs <= np.array([[budget.most] for budget in problem.budgets]).reshape(-1, 1)).all(axis=0)
        if not kept.any():
            infeasible += 1
            with pytest.raises(Infeasible) as refused:
                ALLOCATORS[name]().allocate(problem)
            assert all(excess > 0 for excess in refused.value.excesses.values())
            assert refused.value.excesses.keys() <= {budget.name for budget in problem.budgets}
            if len(problem.budgets) == 1:
                assert refused.value.excesses == {"cost 0": costs.min() - problem.budgets[0].most}
            continue
        chosen = ALLOCATORS[name]().allocate(problem)
        assert not problem.excesses(chosen), seed
        assert all(len({chosen[layer] for layer in tie}) == 1 for tie in problem.ties)
        if name in EXACT_HERE:
            assert problem.damage_of(chosen) == damages[kept].min(), seed
        else:
            assert problem.damage_of(chosen) >= damages[kept].min(), seed
    assert infeasible > 0


def test_what_it_does_not_take_is_refused_in_one_line(name: str) -> None:
    damage, pair = (np.zeros(2), np.zeros(2)), (Term((0, 1), np.zeros((2, 2))),)
    abilities = ALLOCATORS[name]().abilities
    cases = [
        (abilities.most_budgets > 1, AllocationProblem(damage, tuple(Budget(str(n), damage, 0.0) for n in range(2)))),
        (abilities.joint_costs, AllocationProblem(damage, (Budget("ms", damage, 0.0, pair),))),
        (abilities.pairs, AllocationProblem(damage, pairs=pair)),
    ]
    for taken, problem in cases:
        if taken:
            assert not problem.excesses(ALLOCATORS[name]().allocate(problem))
        else:
            with pytest.raises(Unsupported, match=r"does not take .*; MilpAllocator does"):
                ALLOCATORS[name]().allocate(problem)


def test_a_tighter_budget_never_does_less_damage(name: str) -> None:
    rng = np.random.default_rng(0)
    costs = tuple(np.sort(rng.random(3)) for _ in range(12))
    damage = tuple(known[::-1] ** 2 for known in costs)
    found = []
    for most in np.linspace(sum(known[0] for known in costs) + 1e-9, sum(known[-1] for known in costs), 8):
        problem = AllocationProblem(damage, (Budget("size", costs, float(most)),))
        found.append(problem.damage_of(ALLOCATORS[name]().allocate(problem)))
    assert found == sorted(found, reverse=True)


def test_a_budget_is_kept_to_the_last_bit(name: str) -> None:
    """The least damage exceeds the budget by less than any solver's tolerance."""
    problem = AllocationProblem((np.array([0.0, 1.0, 2.0]),), (Budget("ms", (np.array([1 + 1e-12, 1.0, 0.5]),), 1.0),))
    chosen = ALLOCATORS[name]().allocate(problem)
    assert not problem.excesses(chosen)
    assert chosen == (1,) or name == "greedy"  # which goes where a unit of cost adds least


def test_damages_of_very_different_sizes_count(name: str) -> None:
    damage = (np.array([0.0, 1.0]), np.array([2e-7, 1e-7]))
    assert ALLOCATORS[name]().allocate(AllocationProblem(damage)) == (0, 1)


def test_what_cannot_be_is_said_with_by_how_much(name: str) -> None:
    damage, costs = (np.zeros(2), np.zeros(2)), (np.array([1.0, 3.0]), np.array([2.0, 5.0]))
    line = "no choice of policies keeps all budgets; the nearest exceeds latency by 0.5; raise these budgets"
    with pytest.raises(Infeasible, match=re.escape(line)):
        ALLOCATORS[name]().allocate(AllocationProblem(damage, (Budget("latency", costs, 2.5),)))
