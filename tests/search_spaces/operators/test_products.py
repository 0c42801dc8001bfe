"""Shapes and multiplications of products of activations."""

from __future__ import annotations

import pytest

from search_spaces.operators.operator import Shape
from search_spaces.operators.products import Add, Attention, Concatenate, MatrixProduct


def test_attention_multiplies_twice_for_each_pair_of_tokens() -> None:
    query, key, value = (2, 5, 4), (2, 7, 4), (2, 7, 3)
    assert Attention().output_shape(query, key, value) == (2, 5, 3)
    assert Attention().macs(query, key, value) == 2 * 5 * 7 * (4 + 3)


def test_heads_may_share_keys_if_they_divide() -> None:
    assert Attention().output_shape((4, 5, 8), (2, 5, 8), (2, 5, 8)) == (4, 5, 8)
    with pytest.raises(ValueError, match="operator attention reads queries, keys, values"):
        Attention().output_shape((4, 5, 8), (3, 5, 8), (3, 5, 8))


def test_a_sum_may_broadcast_and_a_product_of_matrices_does_in_the_outer_axes() -> None:
    assert Add().output_shape((3, 4, 4), (3, 1, 1)) == (3, 4, 4)
    assert MatrixProduct().output_shape((3, 5, 4), (1, 4, 6)) == (3, 5, 6)


@pytest.mark.parametrize("shapes", [[(3, 4), (3, 5)], [(3, 4), (4,)], []])
def test_only_what_differs_in_one_axis_is_concatenated(shapes: list[Shape]) -> None:
    with pytest.raises(ValueError, match="values that differ only in axis -2"):
        Concatenate(-2).output_shape(*shapes)
