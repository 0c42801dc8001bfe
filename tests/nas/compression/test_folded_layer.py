"""Folded layers store the codes of their policy, by steps with which the bias fits into 32 bits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.folded_layer import FoldedLayer, fold_layer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import WeightQuantizer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

GAIN = torch.tensor([1.0, -2.0, 0.5, 3.0])


@pytest.mark.parametrize("bits", [2, 4, 7, 8])
def test_stored_codes_have_the_bits_of_the_policy_also_where_a_bias_raises_a_step(bits: int) -> None:
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    weight[1] *= 1e-9  # beside which its bias is huge
    layer = FoldedLayer(weight, GAIN, torch.tensor([0.1, 5.0, -0.2, 0.0]), WeightQuantizer(bits), input_step=0.02)
    codes, steps = layer.store()
    finer = max(1, 2 ** (7 - bits))
    assert not (codes % finer).any()
    assert (codes / finer).abs().max() <= 2 ** (bits - 1) - 1
    ordinary = [0, 2, 3]
    rounded = WeightQuantizer(bits)(weight) * GAIN.view(-1, 1, 1, 1)
    torch.testing.assert_close((codes * steps.view(-1, 1, 1, 1))[ordinary], rounded[ordinary])
    biases = layer.round_bias() / (0.02 * steps)
    assert biases.abs().max() <= 2**30 + 1
    torch.testing.assert_close(layer.round_bias(), layer.bias, rtol=1e-6, atol=0.02 * float(steps.max()) / 2)


def test_a_normalisation_is_folded_in() -> None:
    torch.manual_seed(0)
    layer = Layer(LayerSpec.conv("one", Convolution.square(3, 4, 3), 8), LayerPolicy.parse("w32a32")).eval()
    norm = layer.norm
    assert isinstance(norm, nn.BatchNorm2d)
    norm.weight.data, norm.bias.data = GAIN.clone(), torch.randn(4)
    norm.running_mean, norm.running_var = torch.randn(4), torch.rand(4) + 0.5
    folded, images = fold_layer(layer), torch.randn(2, 3, 8, 8)
    plain = layer.op(images) * folded.gain.view(1, -1, 1, 1) + folded.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(images), plain)
    assert not folded.is_quantized
    assert not folded.is_integer


@pytest.mark.parametrize(("policy", "is_integer"), [("w4a8", True), ("w4a32", False), ("w32a8", False)])
def test_a_layer_is_of_integers_once_its_weight_and_its_calibrated_input_are_rounded(
    policy: str, is_integer: bool
) -> None:
    layer = Layer(LayerSpec.conv("one", Convolution.square(3, 4, 3), 8), LayerPolicy.parse(policy)).eval()
    assert not fold_layer(layer).is_integer  # not calibrated yet
    layer.input_quantizer.range = (-1.0, 1.0)
    assert fold_layer(layer).is_integer == is_integer
