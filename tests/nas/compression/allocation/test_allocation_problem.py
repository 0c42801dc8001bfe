"""What is asked fits together, or is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, sum_chosen
from search_spaces.additive_cost import Term

DAMAGE = (np.zeros(2), np.zeros(3))
PAIR = Term((0, 1), np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("damage", "budgets", "line"),
    [
        ((), (), "one or more layers"),
        ((np.zeros(0),), (), "one or more choices each"),
        ((np.array([1.0, np.nan]),), (), "damage of the choices of layer 0 must be finite"),
        (DAMAGE, (Budget("size", DAMAGE[:1], 1.0),), r"size must have a cost for each choice of each layer"),
        (DAMAGE, (Budget("size", (DAMAGE[0], np.full(3, np.inf)), 1.0),), "size of the choices of layer 1"),
        (DAMAGE, (Budget("a", DAMAGE, 1.0), Budget("a", DAMAGE, 2.0)), "each budget needs a name of its own, got a, a"),
        (
            DAMAGE,
            (Budget("ms", DAMAGE, 1.0, (Term((1, 0), PAIR.table),)),),
            r"ms of the layers \(1, 0\) together must be",
        ),
        (DAMAGE, (Budget("ms", DAMAGE, 1.0, (Term((0, 2), PAIR.table),)),), r"shape \(2, None\), got \(2, 3\)"),
        (DAMAGE, (Budget("ms", DAMAGE, 1.0, (Term((0, 1), np.full((2, 3), np.nan)),)),), r"together must be finite"),
        (DAMAGE, (Budget("size", DAMAGE, np.inf),), "the budget of size must be finite, got inf; leave it out"),
    ],
)
def test_what_does_not_fit_is_refused(damage: tuple[np.ndarray, ...], budgets: tuple[Budget, ...], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        AllocationProblem(damage, budgets)


def test_sums_do_not_depend_on_the_order_of_layers() -> None:
    values = tuple(np.array([value]) for value in (0.1, 0.2, 0.3, 1e16, -1e16))
    assert sum_chosen(values, [0] * 5) == sum_chosen(values[::-1], [0] * 5) == pytest.approx(0.6, rel=1e-15)


@pytest.mark.parametrize(
    ("ties", "line"),
    [
        (((0,),), r"a tie holds two or more of the layers 0 to 2, got \(0,\)"),
        (((0, 3),), r"a tie holds two or more of the layers 0 to 2, got \(0, 3\)"),
        (((0, 1),), r"equally many choices, got \[2, 3\] in layers \(0, 1\)"),
        (((0, 2), (2, 0)), "a layer is in one tie at the most"),
    ],
)
def test_ties_that_do_not_fit_are_refused(ties: tuple[tuple[int, ...], ...], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        AllocationProblem((*DAMAGE, np.zeros(2)), ties=ties)


def test_tables_of_several_layers_count_in_damage_and_costs() -> None:
    edge = Term((1, 0), np.array([[0.0, 1.0], [2.0, 4.0], [8.0, 16.0]]))
    problem = AllocationProblem(DAMAGE, (Budget("ms", DAMAGE, 3.0, (edge,)),), pairs=(edge,))
    assert problem.damage_of([1, 2]) == 16.0
    assert problem.excesses([1, 2]) == {"ms": 13.0}
    assert problem.excesses([0, 1]) == {}


def test_the_mirror_exchanges_damage_and_cost() -> None:
    damage, costs = (np.array([0.0, 2.0]),) * 2, (np.array([5.0, 1.0]), np.array([4.0, 3.0]))
    pair, edge = Term((0, 1), np.eye(2)), Term((0, 1), np.ones((2, 2)))
    mirror = AllocationProblem(damage, (Budget("ms", costs, 3.0, (edge,)),), ((0, 1),), (pair,)).mirror(4.5)
    assert mirror.damage_of([1, 0]) == 6.0
    assert mirror.excesses([1, 1]) == {"damage": 0.5}
    assert mirror.ties == ((0, 1),)
    with pytest.raises(ValueError, match="between the damage and one budget, got 0 budgets"):
        AllocationProblem(damage).mirror(1.0)
