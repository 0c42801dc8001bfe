"""What runs in place of a layer is priced in its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.compressed_layer import expand_calls, expand_layer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

CONV = LayerSpec.conv("stage", Convolution.square(16, 32, 3, stride=2), 8, activation="relu")
COSTS = dict(ANALYTIC_COSTS.items())
TWICE = replace(CONV, further_calls=(replace(CONV, input_shape=(16, 4, 4)),))
LOW = LayerPolicy.parse("w4a8-rank0.5-sparse0.5")
CORRECTED = LayerPolicy.parse("w2a4-g16-correct0.2")


def test_a_layer_that_keeps_its_weight_is_itself() -> None:
    for policy in map(LayerPolicy.parse, ("w32a32", "w4a8", "w4a8-sparse0.5", "w8a8-2:4")):
        assert expand_layer(CONV, policy) == ((CONV, policy),)


def test_a_layer_of_low_rank_is_two_layers_with_the_rest_of_its_policy() -> None:
    (first, one), (second, other) = expand_layer(TWICE, LOW)
    assert one == other == LayerPolicy.parse("w4a8-sparse0.5")
    assert (first.name, second.name) == ("stage first factor", "stage second factor")
    assert (first.activation, first.normalized, first.out_channels) == (None, False, 13)  # of 144 * 32 / 176 = 26.2
    assert (second.activation, second.normalized) == (CONV.activation, True)
    assert second.output_shape == CONV.output_shape
    assert [call.output_shape for call in second.calls] == [call.output_shape for call in TWICE.calls]
    assert [call.unnamed for call, _ in expand_calls([(TWICE, LOW)])] == [
        call.unnamed for layer in (first, second) for call in layer.calls
    ]


def test_costs_are_those_of_the_layers_that_run() -> None:
    weights = 13 * (144 + 32)
    found = {name: cost.layer_cost(CONV, LOW) for name, cost in ANALYTIC_COSTS.items()}
    assert found["macs"] == 16 * weights
    assert found["bops"] == 16 * weights * 4 * 8
    assert found["parameters"] == weights + 64
    stored_bits = weights + (13 * 144 // 2 + 13 * 32 // 2) * 4  # a bitmap, and codes of half of the weights
    assert found["weight_bytes"] == stored_bits / 8 + 4 * (13 + 32 + 64)  # scales of both, and the normalisation


def test_a_corrected_layer_is_itself_and_both_factors_of_8_bits() -> None:
    (layer, rest), (first, one), (second, other) = expand_layer(TWICE, CORRECTED)
    assert (layer, rest) == (TWICE, LayerPolicy.parse("w2a4-g16"))
    assert one == other == LayerPolicy.parse("w8a4")
    assert (first.out_channels, second.normalized, second.activation) == (5, False, None)  # 0.2 * 26.2
    assert [call.output_shape for call in second.calls] == [call.output_shape for call in TWICE.calls]
    weights = 5 * (144 + 32)
    found = {name: cost.layer_cost(CONV, CORRECTED) - cost.layer_cost(CONV, rest) for name, cost in COSTS.items()}
    assert found["macs"] == 16 * weights
    assert found["bops"] == 16 * weights * 8 * 4
    assert found["parameters"] == weights
    assert found["weight_bytes"] == weights + 4 * (5 + 32)  # scales of both


def test_zeros_save_bytes_and_nothing_else() -> None:
    dense, sparse = (LayerPolicy.parse(text) for text in ("w8a8", "w8a8-sparse0.75"))
    for name, cost in ANALYTIC_COSTS.items():
        saved = cost.layer_cost(CONV, dense) - cost.layer_cost(CONV, sparse)
        assert saved == (CONV.weights * (0.75 - 1 / 8) if name == "weight_bytes" else 0)


def test_a_pattern_that_a_factor_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match="2:4 sparsity needs a multiple of 4 input channels, got 13"):
        expand_layer(CONV, LayerPolicy.parse("w8a8-rank0.5-2:4"))
