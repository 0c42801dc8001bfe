"""Tied layers are one variable, and tables over them are its diagonals."""

from __future__ import annotations

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.layer_groups import LayerGroups
from search_spaces.additive_cost import Term


def test_groups_stand_in_the_order_of_their_first_layers() -> None:
    sizes = (2, 3, 2, 3, 4)
    problem = AllocationProblem(tuple(np.zeros(size) for size in sizes), ties=((3, 1), (0, 2)))
    groups = LayerGroups.from_problem(problem)
    assert groups == LayerGroups((0, 1, 0, 1, 2), (2, 3, 4))
    assert groups.spread([1, 2, 3]) == (1, 2, 1, 2, 3)
    assert groups.gather((1, 2, 1, 2, 3)) == [1, 2, 3]


def test_a_table_between_tied_layers_is_one_of_their_group() -> None:
    groups = LayerGroups((0, 1, 0), (2, 3))
    (tied, apart) = groups.regroup([Term((2, 0), np.array([[1.0, 2.0], [3.0, 4.0]])), Term((1, 2), np.ones((3, 2)))])
    assert (tied.columns, tied.table.tolist()) == ((0,), [1.0, 4.0])
    assert (apart.columns, apart.table.shape) == ((0, 1), (2, 3))
