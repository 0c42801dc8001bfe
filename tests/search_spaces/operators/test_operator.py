"""Texts of operators leave out what is the default, and shapes are broadcast from their last axes."""

from __future__ import annotations

import pytest

from search_spaces.operators.opaque import Opaque
from search_spaces.operators.operator import Shape, broadcast_shapes, parse_attribute, to_tuples
from search_spaces.operators.registry import parse_operator
from search_spaces.operators.weighted import Linear


def test_defaults_are_left_out_so_that_a_new_attribute_changes_no_stored_text() -> None:
    assert str(Linear(8, 4)) == "linear in_features=8 out_features=4"
    assert str(Linear(8, 4, True)) == "linear in_features=8 out_features=4 bias=true"


def test_a_text_with_spaces_is_one_attribute() -> None:
    opaque = Opaque("aten.cumsum.default", '[[{"input": 0}, -1], {}]', (3,))
    assert len(str(opaque).split(" ")) == 4
    assert parse_operator(str(opaque)) == opaque


def test_lists_become_tuples_at_any_depth() -> None:
    assert parse_attribute("[[1,2],[3]]") == to_tuples([[1, 2], [3]]) == ((1, 2), (3,))


@pytest.mark.parametrize(
    ("shapes", "found"), [([(3, 4), (4,)], (3, 4)), ([(3, 1), (1, 5)], (3, 5)), ([(), (2,)], (2,))]
)
def test_shapes_are_aligned_at_their_last_axes(shapes: list[Shape], found: Shape) -> None:
    assert broadcast_shapes(*shapes) == found


def test_shapes_that_differ_are_not_broadcast() -> None:
    with pytest.raises(ValueError, match="equal or 1 in every axis"):
        broadcast_shapes((3, 4), (3, 5))
