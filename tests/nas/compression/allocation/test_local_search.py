"""Pair terms are seen, and what no change of two layers improves is found."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import Unsupported
from nas.compression.allocation.dynamic_program import DynamicProgramAllocator
from nas.compression.allocation.local_search import LocalSearchAllocator
from nas.compression.allocation.milp import MilpAllocator
from search_spaces.additive_cost import Term


def coupled(seed: int) -> AllocationProblem:
    rng = np.random.default_rng(seed)
    damage, costs = (tuple(rng.random((7, 3))) for _ in range(2))
    pairs = tuple(Term(pair, rng.normal(0.0, 0.5, size=(3, 3))) for pair in combinations(range(7), 2))
    return AllocationProblem(damage, (Budget("size", costs, 3.5),), ((1, 4),), pairs)


@pytest.mark.parametrize("seed", range(5))
def test_no_change_of_two_layers_improves_the_result(seed: int) -> None:
    problem = coupled(seed)
    chosen = LocalSearchAllocator().allocate(problem)
    found = problem.damage_of(chosen)
    assert found <= problem.damage_of(DynamicProgramAllocator().allocate(replace(problem, pairs=())))
    assert found >= problem.damage_of(MilpAllocator().allocate(problem)) - 1e-9
    groups = [(0,), (1, 4), (2,), (3,), (5,), (6,)]
    for first, second in combinations(groups, 2):
        for one, other in product(range(3), repeat=2):
            moved = list(chosen)
            for layers, choice in ((first, one), (second, other)):
                for layer in layers:
                    moved[layer] = choice
            assert problem.excesses(moved) or problem.damage_of(moved) >= found - 1e-12


@pytest.mark.parametrize("allocator", [LocalSearchAllocator(), MilpAllocator()])
def test_two_layers_that_are_harmful_together_alone_are_told_apart(
    allocator: LocalSearchAllocator | MilpAllocator,
) -> None:
    """By their own damage layers 0 and 1 are lowered; with the pair term one of them gives way to 2."""
    damage = (np.array([0.0, 0.1]), np.array([0.0, 0.1]), np.array([0.0, 0.3]))
    pair = Term((0, 1), np.array([[0.0, 0.0], [0.0, 5.0]]))
    plain = AllocationProblem(damage, (Budget("size", (np.array([2.0, 1.0]),) * 3, 4.0),))
    assert allocator.allocate(plain) == (1, 1, 0)
    chosen = allocator.allocate(replace(plain, pairs=(pair,)))
    assert (sum(chosen[:2]), chosen[2]) == (1, 1)


def test_tables_of_three_layers_are_refused() -> None:
    triple = (Term((0, 1, 2), np.zeros((2, 2, 2))),)
    with pytest.raises(Unsupported, match="tables of two layers, or ties, got one of 3; MilpAllocator takes all"):
        LocalSearchAllocator().allocate(AllocationProblem((np.zeros(2),) * 3, pairs=triple))
