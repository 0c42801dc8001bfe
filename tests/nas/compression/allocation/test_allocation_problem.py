"""What is asked fits together, or is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, sum_chosen

DAMAGE = (np.zeros(2), np.zeros(3))


@pytest.mark.parametrize(
    ("damage", "budgets", "line"),
    [
        ((), (), "one or more layers"),
        ((np.zeros(0),), (), "one or more choices each"),
        ((np.array([1.0, np.nan]),), (), "damage of the choices of layer 0 must be finite"),
        (DAMAGE, (Budget("size", DAMAGE[:1], 1.0),), r"size must have a cost for each choice of each layer"),
        (DAMAGE, (Budget("size", (DAMAGE[0], np.full(3, np.inf)), 1.0),), "size of the choices of layer 1"),
        (DAMAGE, (Budget("size", DAMAGE, np.inf),), "the budget of size must be finite, got inf; leave it out"),
    ],
)
def test_what_does_not_fit_is_refused(damage: tuple[np.ndarray, ...], budgets: tuple[Budget, ...], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        AllocationProblem(damage, budgets)


def test_sums_do_not_depend_on_the_order_of_layers() -> None:
    values = tuple(np.array([value]) for value in (0.1, 0.2, 0.3, 1e16, -1e16))
    assert sum_chosen(values, [0] * 5) == sum_chosen(values[::-1], [0] * 5) == pytest.approx(0.6, rel=1e-15)
