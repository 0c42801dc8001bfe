"""Noise over signal, of weights of which both are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.sensitivity.sensitivity_metric import CompressibleLayers
from nas.compression.sensitivity.weight_distortion import WeightDistortion
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution


def distortion(weight: torch.Tensor, bits: int) -> float:
    return float(WeightDistortion().damage(CompressibleLayers((weight,), ((LayerPolicy.quantized(bits, 8),),)))[0][0])


@pytest.mark.parametrize("bits", [4, 8])
def test_uniform_weights_have_the_noise_of_their_step(bits: int) -> None:
    weight = torch.linspace(-1, 1, 200_001).view(1, -1)
    step = 1 / (2 ** (bits - 1) - 1)
    assert distortion(weight, bits) == pytest.approx(step**2 / 12 / (1 / 3), rel=0.02)
    assert distortion(8 * weight, bits) == pytest.approx(distortion(weight, bits), rel=1e-6)


def test_noise_is_that_of_the_layer_as_it_rounds() -> None:
    """The learnt step is what a network of a space rounds in, whatever the quantiser."""
    layer = Layer(LayerSpec.conv("0", Convolution.square(2, 4, 3), 5), LayerPolicy.quantized(4, 8))
    layer.learn_weight_step(4)
    layer.log_weight_step.data -= 1.0
    layers = CompressibleLayers.from_network(nn.Sequential(layer), [layer.spec], [[layer.policy]])
    layer.keep_rounded_weight()
    noise = (layer._rounded - layer.op.weight).square().sum() / layer.op.weight.square().sum()
    assert WeightDistortion().damage(layers)[0][0] == pytest.approx(noise.item(), rel=1e-5)


def test_weights_on_the_grid_and_weights_of_zeros_are_not_damaged() -> None:
    assert distortion(torch.tensor([[7.0, -3.0, 0.0, 1.0]]), 4) == 0.0
    assert distortion(torch.zeros(2, 3), 4) == 0.0
