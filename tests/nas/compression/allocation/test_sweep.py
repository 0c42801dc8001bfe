"""A sweep ends when it is to end, and says why."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nas.compression.allocation import sweep
from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import Allocator, OutOfTime, SolverFailed, Unsupported
from nas.compression.allocation.frontier_allocator import FrontierAllocator
from nas.compression.allocation.milp import MilpAllocator
from search_spaces.additive_cost import Term

RNG = np.random.default_rng


def test_time_that_is_spent_is_another_answer_than_a_frontier_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    damage, costs = (tuple(RNG(seed).random((12, 4))) for seed in (0, 1))
    problem = AllocationProblem(damage, (Budget("ms", costs, 100.0),))
    with pytest.raises(OutOfTime, match="of 12 layers was not found in time, 0 were swept"):
        FrontierAllocator(most_s=0.0).allocate(problem)
    monkeypatch.setattr(sweep, "_MOST_STATES", 100)
    with pytest.raises(
        SolverFailed, match=r"a frontier may take 100 states, got more after .* of 12 layers; merge them into"
    ):
        FrontierAllocator().allocate(problem)


def test_tables_that_keep_too_many_layers_open_are_refused() -> None:
    """Each of 10 layers stands in a table with each other: all choices of the first 7 go on differently."""
    scopes = list(combinations(range(10), 2))
    damage = tuple(np.zeros((10, 4)))
    pairs = tuple(Term(scope, np.arange(16.0).reshape(4, 4)) for scope in scopes)
    with pytest.raises(Unsupported, match=r"layers \[0, 1, 2, 3, 4, 5\] stand in tables with layer 6 .* 16,384 comb"):
        FrontierAllocator().allocate(AllocationProblem(damage, pairs=pairs))


def test_choices_that_later_layers_cannot_tell_apart_go_on_alike() -> None:
    """Of 4 choices, tables tell floating point, choice 0, from integers: 2^6 combinations of open layers are few."""
    rng, integer = np.random.default_rng(0), np.array([0, 1, 1, 1])
    scopes = list(combinations(range(7), 2))
    tables = [rng.integers(0, 9, size=(2, 2)).astype(float) for _ in scopes]
    joint = tuple(Term(one, table[np.ix_(integer, integer)]) for one, table in zip(scopes, tables, strict=True))
    damage, costs = (tuple(rng.integers(0, 20, size=(7, 4)).astype(float)) for _ in range(2))
    problem = AllocationProblem(damage, (Budget("ms", costs, 110.0, joint),))
    every = np.indices(problem.sizes).reshape(7, -1)
    spent, harm = (
        sum(term.table[tuple(every[layer] for layer in term.columns)] for term in terms)
        for terms in (problem.budgets[0].terms, problem.terms)
    )
    chosen = FrontierAllocator().allocate(problem)
    assert problem.damage_of(chosen) == harm[spent <= 110.0].min()


@pytest.mark.parametrize("allocator", [FrontierAllocator(), MilpAllocator()], ids=["sweep", "program"])
def test_layers_that_decide_one_thing_together_are_allocated_exactly(allocator: Allocator) -> None:
    """Of 3^9 combinations, an addition of 9 layers tells two: whether one is in floating point, choice 0, or none."""
    rng, every = np.random.default_rng(1), np.indices((3,) * 9)
    whether = (every == 0).any(axis=0)
    joint = (Term(tuple(range(9)), 30.0 * whether), Term((*range(1, 9),), 7.0 * whether[1]))
    damage, costs = (tuple(rng.integers(1, 30, size=(9, 3)).astype(float)) for _ in range(2))
    spent = sum(table[chosen] for table, chosen in zip(costs, every, strict=True)) + joint[0].table + joint[1].table
    harm = sum(table[chosen] for table, chosen in zip(damage, every, strict=True))
    for most in (100.0, 120.0, 150.0):
        problem = AllocationProblem(damage, (Budget("ms", costs, most, joint),))
        assert problem.damage_of(allocator.allocate(problem)) == harm[spent <= most].min()
