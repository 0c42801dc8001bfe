from __future__ import annotations

import pytest

from search_spaces.analytic_costs.weight_bytes import WEIGHT_BYTES
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

CONV = LayerSpec.conv("a", Convolution.square(32, 64, 3), 15)  # 18,432 weights, 128 numbers of normalisation
LINEAR = LayerSpec.linear("b", 10, 3)  # 30 weights, 3 of bias


def test_floats_take_four_bytes() -> None:
    assert WEIGHT_BYTES.layer_cost(CONV, LayerPolicy()) == 18_432 * 4 + 128 * 4


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_quantised_weights_bring_a_scale_per_channel(bits: int) -> None:
    policy = LayerPolicy.quantized(bits, 8)
    assert WEIGHT_BYTES.layer_cost(CONV, policy) == 18_432 * bits / 8 + (64 + 128) * 4
    assert WEIGHT_BYTES.layer_cost(LINEAR, policy) == 30 * bits / 8 + (3 + 3) * 4


def test_groups_bring_a_scale_each() -> None:
    policy = LayerPolicy.quantized(4, 8, group_size=16)
    assert WEIGHT_BYTES.layer_cost(CONV, policy) == 18_432 * 4 / 8 + (64 * 2 + 128) * 4
