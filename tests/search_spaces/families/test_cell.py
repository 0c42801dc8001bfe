"""A cell's features say what its whole paths are made of, and nothing of the edges that carry nothing."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.families.cell import Cell

NASBENCH201 = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATORS = ["conv", "none", "skip"]


def features(*names: str) -> list[float]:
    genes = np.array([[OPERATORS.index(name) for name in names]], dtype=np.int16)
    found: list[float] = Cell(NASBENCH201, "none").features(genes, [OPERATORS] * 6)[0].tolist()
    return found


def test_operators_are_counted_along_every_whole_path() -> None:
    assert Cell(NASBENCH201).paths == ((0, 2, 5), (0, 4), (1, 5), (3,))
    found = features("conv", "none", "conv", "skip", "skip", "conv")
    paths = [[1, 3, 0], [1, 1, 1], [0, 0, 0], [1, 0, 1]]  # whole, conv, skip; the third is cut at its first edge
    assert found == [*np.ravel(paths), *np.sum(paths, axis=0), *np.max(paths, axis=0)]


def test_edges_that_carry_nothing_do_not_count() -> None:
    nothing_enters_node_2 = features("conv", "none", "none", "skip", "skip", "conv")
    assert nothing_enters_node_2 == features("conv", "none", "none", "skip", "skip", "skip")
    assert nothing_enters_node_2 != features("conv", "none", "none", "skip", "conv", "conv")


def test_without_a_cutting_operator_every_path_is_whole() -> None:
    genes = np.array([[0, 1], [1, 1]], dtype=np.int16)
    assert Cell(((0, 1), (1, 2))).features(genes, [["a", "b"]] * 2)[:, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (((1, 0),), "leads from a node to a higher one, got 1 to 0"),
        (((0, 0),), "leads from a node to a higher one, got 0 to 0"),
        (((0, 1), (2, 3)), "from 1 to 10,000 paths must lead from node 0 to the highest node, got 0"),
        ((), "a cell needs one or more edges, got none"),
    ],
)
def test_what_is_no_cell_is_refused(edges: tuple[tuple[int, int], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cell(edges)
