"""Where damages do not add up, measuring around an allocation finds better ones, within the budgets."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import Infeasible
from nas.compression.allocation.trust_region import allocate_in_trust_region
from search_spaces.additive_cost import Term

CHOICES = np.arange(4.0)


def make_problem(rng: np.random.Generator, layers: int, most: float) -> AllocationProblem:
    """Layers of four choices, cheaper by one each; the last two are tied, and the first two have a cost together."""
    damage = tuple(np.sort(rng.random(4)) for _ in range(layers))
    joint = (Term((0, 1), np.outer(4 - CHOICES, 4 - CHOICES)),)
    return AllocationProblem(
        damage, (Budget("bytes", tuple(4 - CHOICES for _ in range(layers)), most, joint),), ((layers - 2, layers - 1),)
    )


def test_it_is_at_least_as_good_as_the_sums_and_the_starts() -> None:
    """The true damage has large pair terms of which the problem does not know."""
    rng, better = np.random.default_rng(0), 0
    for _ in range(20):
        problem, pairs = make_problem(rng, 5, 16.0), rng.normal(size=(5, 5))
        calls: list[tuple[int, ...]] = []

        def damage_of(
            chosen: tuple[int, ...],
            problem: AllocationProblem = problem,
            pairs: np.ndarray = pairs,
            calls: list[tuple[int, ...]] = calls,
        ) -> float:
            calls.append(chosen)
            return problem.damage_of(chosen) + float(np.array(chosen) @ pairs @ np.array(chosen)) / 9

        start = (3, 3, 3, 3, 3)
        found = allocate_in_trust_region(problem, damage_of, start)
        known = [chosen for chosen in calls if not problem.excesses(chosen)]
        assert len({*calls}) == len(calls)
        assert found in known
        assert found[3] == found[4]
        assert damage_of(found) == min(map(damage_of, known)) <= damage_of(start)
        better += damage_of(found) < damage_of(known[0])  # the first one is that of the sums
    assert better > 0


def test_damages_that_add_up_need_one_round() -> None:
    problem, calls = make_problem(np.random.default_rng(0), 5, 16.0), []

    def damage_of(chosen: tuple[int, ...]) -> float:
        calls.append(chosen)
        return problem.damage_of(chosen)

    every = [one for one in product(range(4), repeat=5) if one[3] == one[4] and not problem.excesses(one)]
    found = allocate_in_trust_region(problem, damage_of, (3, 3, 3, 3, 3), reach=3)
    assert problem.damage_of(found) == min(map(problem.damage_of, every))
    assert len(calls) <= 2 + 2 * 4 * 3


def test_wrong_starts_and_budgets_are_told() -> None:
    problem = make_problem(np.random.default_rng(0), 3, 12.0)
    with pytest.raises(ValueError, match="a start must keep all budgets, got one that exceeds bytes by 16"):
        allocate_in_trust_region(problem, lambda _: 0.0, (0, 0, 0))
    for start in ((0, 0), (0, 0, 4), (0, 0, -1), (3, 3, 2)):
        with pytest.raises(
            ValueError, match=r"a start must have a choice of each layer, of \[4, 4, 4\], the same for tied"
        ):
            allocate_in_trust_region(problem, lambda _: 0.0, start)
    with pytest.raises(ValueError, match="must be a finite number, got nan of"):
        allocate_in_trust_region(problem, lambda _: np.nan)
    with pytest.raises(ValueError, match="needs a reach and rounds from 1, got 0 and 4"):
        allocate_in_trust_region(problem, lambda _: 0.0, reach=0)
    with pytest.raises(Infeasible, match="bytes by 2"):
        allocate_in_trust_region(make_problem(np.random.default_rng(0), 3, 2.0), lambda _: 0.0)
