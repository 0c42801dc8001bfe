"""As many layers are lowered as the floor bears, in few measurements."""

from __future__ import annotations

from math import ceil, log2

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.floor import allocate_above_floor, bisect_last, score_layers
from nas.compression.allocation.layer_groups import LayerGroups
from search_spaces.additive_cost import Term


@pytest.mark.parametrize("most", [0, 1, 2, 3, 7, 8, 30])
def test_bisection_is_a_linear_scan_in_few_calls(most: int) -> None:
    for last in range(most + 1):
        called: list[int] = []

        def holds(count: int, last: int = last, called: list[int] = called) -> bool:
            called.append(count)
            return count <= last

        assert bisect_last([lambda count=count, ask=holds: ask(count) for count in range(most + 1)]) == last
        assert len(called) <= ceil(log2(most + 1))


def test_where_quality_is_not_monotone_the_result_was_measured() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        truth = [True, *(rng.random(20) < 0.5).tolist()]
        assert truth[bisect_last([lambda value=value: value for value in truth])]


def test_the_cheapest_above_the_floor_is_found_level_by_level() -> None:
    """Quality is 1 less the damage: the order by damage is right, and the levels are scanned by hand."""
    damage = tuple(np.array([0.0, weight, 3 * weight]) for weight in (0.05, 0.01, 0.3, 0.02))
    problem = AllocationProblem((*damage, np.array([0.0, 0.04])), ties=((0, 3),))
    measured: list[tuple[int, ...]] = []

    def quality(chosen: tuple[int, ...]) -> float:
        measured.append(chosen)
        return 1.0 - problem.damage_of(chosen)

    # all but layer 2 take choice 1 for 0.12; layer 1 then takes choice 2 for 0.02 more; the tie would take 0.14 more
    assert allocate_above_floor(problem, quality, 0.85) == (1, 2, 0, 1, 1)
    assert len(measured) <= 3 + 2
    assert allocate_above_floor(problem, lambda _: 0.0, 0.85) == (0,) * 5


def test_pair_terms_part_layers_that_are_harmless_alone() -> None:
    """Layers 0 and 1 come first by their own damage, and last by the augmented order."""
    damage = tuple(np.array([0.0, alone]) for alone in (0.01, 0.01, 0.05, 0.05))
    problems = [
        AllocationProblem(damage, pairs=pairs) for pairs in ((), (Term((1, 0), np.array([[0.0, 0.0], [0.0, 1.0]])),))
    ]
    groups = LayerGroups.from_problem(problems[0])
    plain, augmented = (np.argsort(score_layers(problem, groups, 1), kind="stable") for problem in problems)
    assert {*plain[:2].tolist()} == {0, 1}
    assert {*augmented[:2].tolist()} == {2, 3}
    chosen = [allocate_above_floor(problem, lambda row: 1.0 - problems[1].damage_of(row), 0.88) for problem in problems]
    assert [sum(row) for row in chosen] == [1, 3]


def test_a_floor_takes_no_budgets() -> None:
    problem = AllocationProblem((np.zeros(2),), (Budget("ms", (np.zeros(2),), 1.0),))
    with pytest.raises(ValueError, match="without budgets; got ms"):
        allocate_above_floor(problem, lambda _: 1.0, 0.5)
