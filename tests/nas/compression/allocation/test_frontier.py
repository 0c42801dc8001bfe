"""The frontier is that of brute force, and every budget is read off it."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.allocation import sweep
from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier, find_cheapest
from search_spaces.additive_cost import FloatArray, Term

RNG = np.random.default_rng


def chain(seed: int, layers: int, choices: int, most: float = 1e9) -> AllocationProblem:
    """Layers of which each next one converts what the one before made, and some that meet three layers later."""
    rng = RNG(seed)
    damage, costs = (tuple(rng.integers(0, 50, size=(layers, choices)).astype(float)) for _ in range(2))
    scopes = [(layer, layer + 1) for layer in range(layers - 1)] + [(0, 3)]
    edges = tuple(Term(scope, rng.integers(0, 20, size=(choices,) * 2).astype(float)) for scope in scopes)
    pairs = (Term((3, 1), rng.integers(-9, 9, size=(choices,) * 2).astype(float)),)
    return AllocationProblem(damage, (Budget("ms", costs, most, edges),), ((2, 4),), pairs)


def all_values(problem: AllocationProblem) -> tuple[FloatArray, FloatArray]:
    """Cost and damage of all allocations that keep the ties."""
    every = np.indices(problem.sizes).reshape(len(problem.sizes), -1).T
    kept = [row.tolist() for row in every[(every[:, 2] == every[:, 4])]]
    return np.array([problem.budgets[0].spend(row) for row in kept]), np.array([problem.damage_of(row) for row in kept])


@pytest.mark.parametrize("seed", range(5))
def test_the_whole_frontier_is_that_of_brute_force(seed: int) -> None:
    problem = chain(seed, 6, 3)
    costs, damages = all_values(problem)
    order = np.lexsort((damages, costs))
    costs, damages = costs[order], damages[order]
    best = np.minimum.accumulate(damages)
    first = np.concatenate([[True], best[1:] < best[:-1]])
    frontier = Frontier.from_problem(problem)
    assert np.array_equal(frontier.costs, costs[first])
    assert np.array_equal(frontier.damages, damages[first])
    chosen = frontier.read_off(frontier.costs + 0.5)
    assert [problem.damage_of(row) for row in chosen.tolist()] == frontier.damages.tolist()
    assert [problem.budgets[0].spend(row) for row in chosen.tolist()] == frontier.costs.tolist()
    cheapest = find_cheapest(problem)
    assert problem.budgets[0].spend(cheapest) == costs[0]


def test_states_that_are_dropped_before_they_are_sorted_are_dominated(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = tuple(np.sort(RNG(seed).integers(0, 10**6, size=6)).astype(float) for seed in range(8))
    damage = tuple(RNG(99 - seed).random() * known[::-1] for seed, known in enumerate(costs))
    edges = tuple(
        Term((layer, layer + 1), RNG(layer).integers(0, 10**5, size=(6, 6)).astype(float)) for layer in (0, 4)
    )
    problem = AllocationProblem(damage, (Budget("b", costs, 1e9, edges),))
    monkeypatch.setattr(sweep, "_SORTED_AT_ONCE", 10**9)
    everything = Frontier.from_problem(problem)
    assert len(everything.damages) > 100
    monkeypatch.setattr(sweep, "_SORTED_AT_ONCE", 1)
    assert np.array_equal(Frontier.from_problem(problem).damages, everything.damages)


def test_what_is_beyond_the_frontier_is_refused() -> None:
    frontier = Frontier.from_problem(chain(0, 5, 3, 120.0))
    with pytest.raises(ValueError, match="this frontier ends at a budget of 120, got 121"):
        frontier.read_off(np.array([100.0, 121.0]))
    with pytest.raises(ValueError, match="no allocation on this frontier costs as little as -1"):
        frontier.read_off(np.array([-1.0]))
