"""Factors of a layer compute outputs of its shape, with at most the share of its weights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces.low_rank import LowRank, LowRankCorrection, factorize_operator, find_rank
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.weighted import Convolution, Embedding, Linear

STRIDED = Convolution(12, 20, (3, 5), (2, 1), ((1, 0), (2, 2)), (1, 1), bias=True)


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        (Linear(48, 20, bias=True), (7, 48)),
        (Convolution.square(16, 24), (16, 6, 6)),
        (STRIDED, (12, 9, 9)),
        (Convolution(16, 16, (3,), (1,), ((2, 2),), (2,)), (16, 11)),
    ],
)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_factors_have_the_output_of_the_layer_and_at_most_the_share_of_its_costs(
    operator: Operator, inputs: Shape, share: float
) -> None:
    first, second = factorize_operator(operator, LowRank(share))
    between = first.output_shape(inputs)
    assert second.output_shape(between) == operator.output_shape(inputs)
    assert first.weights + second.weights <= share * operator.weights
    assert first.macs(inputs) + second.macs(between) <= share * operator.macs(inputs)
    assert first.parameters == first.weights
    assert second.parameters - second.weights == operator.parameters - operator.weights  # the bias
    beside = factorize_operator(operator, LowRankCorrection(share))  # where the layer keeps its bias
    assert [one.weight_shape for one in beside] == [first.weight_shape, second.weight_shape]
    assert sum(one.parameters for one in beside) == first.weights + second.weights


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (Convolution.square(8, 8, 3, groups=8), "got a convolution that is grouped or transposed"),
        (replace(STRIDED, transposed=True), "got a convolution that is grouped or transposed"),
        (Embedding(8, 4), "of one group, got embedding"),
        (Linear(4, 1), r"of rank 1 or more, got 0.5 of .* as many weights as 1 outputs of 4 inputs, 0.80; no share"),
    ],
)
def test_what_cannot_be_of_low_rank_is_refused(operator: Operator, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_rank(operator, LowRank(0.5))


@pytest.mark.parametrize(
    ("operator", "least"), [(Linear(6, 6), 0.34), (Linear(25, 4), 0.3), (Convolution.square(2, 3, 3), 0.39)]
)
def test_a_share_that_is_too_small_is_refused_with_the_least_that_is_not(operator: Operator, least: float) -> None:
    for kind, name in ((LowRank, "low rank"), (LowRankCorrection, "a correction")):
        with pytest.raises(
            ValueError, match=rf"^{name} must be of rank 1 or more, got 0.2 of .*; take {least} or more$"
        ):
            find_rank(operator, kind(0.2))
        assert find_rank(operator, kind(least)) == 1
        with pytest.raises(ValueError, match=f"^{name} is for linear layers"):
            find_rank(Embedding(8, 4), kind(0.5))


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan"), -0.5])
def test_a_share_that_leaves_nothing_or_saves_nothing_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"at which nothing is saved must be from 0.01 to 0.99, got"):
        LowRank(share)
