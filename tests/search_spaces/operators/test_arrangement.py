"""Windows at the border, pooled axes, and orders that are none."""

from __future__ import annotations

import pytest

from search_spaces.operators.arrangement import GlobalPool, Pad, Pool, Slice, Transpose


def test_a_window_that_begins_beyond_the_input_does_not_count() -> None:
    assert Pool("max", (1,), (2,), (0,), ceil=True).output_shape((1, 4)) == (1, 2)
    assert Pool("max", (2,), (2,), (0,), ceil=True).output_shape((1, 5)) == (1, 3)
    assert Pool("max", (2,), (2,), (0,)).output_shape((1, 5)) == (1, 2)


def test_pooled_axes_go_or_stay_with_side_one() -> None:
    assert GlobalPool().output_shape((4, 5, 6)) == (4,)
    assert GlobalPool((-2,), keep=True).output_shape((4, 5, 6)) == (4, 1, 6)


def test_a_slice_keeps_within_its_axis() -> None:
    assert Slice(-2, 1, 6, 2).output_shape((3, 7, 4)) == (3, 3, 4)
    with pytest.raises(ValueError, match="elements 1 to 8 in axis -2"):
        Slice(-2, 1, 8).output_shape((3, 7, 4))


def test_negative_padding_cuts_off() -> None:
    assert Pad(((1, 2), (-1, 0))).output_shape((3, 4, 5)) == (3, 7, 4)


@pytest.mark.parametrize("order", [(-1, -1), (-1, -3)])
def test_an_order_names_every_axis_once(order: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="names every axis once"):
        Transpose(order)
