"""Noise over signal, of weights of which both are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.sensitivity.weight_distortion import WeightDistortion
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


def distortion(weight: torch.Tensor, bits: int) -> float:
    layer = nn.Linear(weight.shape[1], len(weight), bias=False)
    layer.weight.data.copy_(weight)
    traced = trace(layer, [torch.zeros(2, weight.shape[1])])
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(bits, 8)])
    return float(WeightDistortion().damage(subject)[0][0])


@pytest.mark.parametrize("bits", [4, 8])
def test_uniform_weights_have_the_noise_of_their_step(bits: int) -> None:
    weight = torch.linspace(-1, 1, 200_001).view(1, -1)
    step = 1 / (2 ** (bits - 1) - 1)
    assert distortion(weight, bits) == pytest.approx(step**2 / 12 / (1 / 3), rel=0.02)
    assert distortion(8 * weight, bits) == pytest.approx(distortion(weight, bits), rel=1e-6)


def test_weights_on_the_grid_and_weights_of_zeros_are_not_damaged() -> None:
    assert distortion(torch.tensor([[7.0, -3.0, 0.0, 1.0]]), 4) == 0.0
    assert distortion(torch.zeros(2, 3), 4) == 0.0
