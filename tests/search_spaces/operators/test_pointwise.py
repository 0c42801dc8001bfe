"""Norms store what they use, and activations have a slope exactly if they need one."""

from __future__ import annotations

import pytest

from search_spaces.operators.pointwise import Activation, BatchNorm, LayerNorm, Softmax


def test_statistics_are_stored_but_not_trained() -> None:
    assert [*BatchNorm(6).parameter_shapes] == ["weight", "bias", "mean", "variance"]
    assert [*BatchNorm(6, affine=False).parameter_shapes] == ["mean", "variance"]
    assert (BatchNorm(6).parameters, BatchNorm(6, affine=False).parameters) == (12, 0)
    assert LayerNorm((4, 6), shift=False).parameter_shapes == {"weight": (4, 6)}


@pytest.mark.parametrize(("function", "slope"), [("relu", 0.1), ("leaky_relu", None), ("step", None)])
def test_an_activation_with_a_slope_too_many_or_too_few_is_refused(function: str, slope: float | None) -> None:
    with pytest.raises(ValueError, match=f"an activation is one of .*; got '{function}' and slope {slope}"):
        Activation(function, slope)


def test_an_axis_counts_from_the_end_and_must_be_there() -> None:
    assert Softmax(-2).output_shape((3, 5)) == (3, 5)
    with pytest.raises(ValueError, match="one value with an axis -2"):
        Softmax(-2).output_shape((5,))
