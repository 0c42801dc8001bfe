"""Layer specifications count what they describe. (That torch counts the same is tested with the supernets.)"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from search_spaces.layer_spec import RELU, LayerSpec, round_channels
from search_spaces.operators.operator import Operator
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Convolution, Linear

DEPTHWISE = LayerSpec.conv("a", Convolution.square(32, 32, 5, stride=2, groups=32), 15)  # 8x8 outputs
LINEAR = LayerSpec.linear("b", 64, 10)


def test_counts() -> None:
    assert (DEPTHWISE.output_shape, DEPTHWISE.weights, DEPTHWISE.parameters) == ((32, 8, 8), 800, 864)
    assert (DEPTHWISE.macs, DEPTHWISE.output_elements) == (800 * 64, 32 * 64)
    assert (LINEAR.weights, LINEAR.parameters, LINEAR.macs, LINEAR.output_elements) == (640, 650, 640, 10)


def test_unnamed_forgets_the_name_only() -> None:
    assert replace(DEPTHWISE, name="elsewhere").unnamed == DEPTHWISE.unnamed
    assert replace(DEPTHWISE, input_shape=(32, 16, 16)).unnamed != DEPTHWISE.unnamed


def test_the_text_says_all_but_the_name() -> None:
    text = "linear in_features=64 out_features=10 bias=true at 64"
    assert str(LINEAR) == text
    assert str(replace(DEPTHWISE, activation=RELU)).endswith("at 32x15x15 + batch_norm + relu")


@pytest.mark.parametrize(
    ("operator", "shape", "message"),
    [
        (Add(), (3,), "needs an operator with a weight, got add"),
        (Linear(64, 10), (32,), r"operator linear reads one input of 64 features, got \(32,\)"),
        (Linear(64, 10), (-1, 64), r"sides of a layer's input must be whole numbers of 1 or more, got \(-1, 64\)"),
        (Linear(64, 10), (1.5, 64), "sides of a layer's input"),
        (Linear(64, 10), (True, 64), "sides of a layer's input"),
        (Linear(64, 10), (10**30, 64), "sides of a layer's input"),
        (Convolution(8, 8, (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1)), (8, 4, 4), r"that kernel \(5, 5\) fits in"),
        (Convolution(8, 8, (3,), (1,), ((9, 9),), (1,), transposed=True), (8, 4), r"kernel \(3,\) fits in"),
    ],
)
def test_a_layer_can_exist(operator: Operator, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LayerSpec("a", operator, shape)


@pytest.mark.parametrize(
    ("channels", "rounded"), [(1, 8), (11, 16), (12, 16), (72, 72), (90, 88), (100, 104), (67.5, 64)]
)
def test_channels_round_to_eight_and_lose_at_most_a_tenth(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded
