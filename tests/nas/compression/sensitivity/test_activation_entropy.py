"""Entropies that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.activation_entropy import ActivationEntropy, compute_entropy
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


def test_constant_activations_have_none_and_even_ones_that_of_their_number() -> None:
    assert compute_entropy(np.array([0.0, 12.0, 0.0])) == 0.0
    assert compute_entropy(np.full(7, 3.0)) == pytest.approx(np.log(7))
    assert compute_entropy(np.full((2, 3), 1.0)) == pytest.approx(np.log(6))


@pytest.mark.parametrize("bits", [8, 4])
def test_the_entropy_of_what_layers_write(bits: int) -> None:
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)).eval()
    with torch.no_grad():
        for layer, (weight, bias) in zip(module, ((1.0, 0.0), (0.0, 2.5)), strict=True):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
    data = CalibrationData(torch.arange(256.0)[:, None] / 255, batch=100)
    subject = CompressionSubject.uniform_choices(trace(module, [torch.zeros(2, 1)]), [LayerPolicy.quantized(4)], data)
    same, constant = ActivationEntropy(bits).score(subject)
    assert same == pytest.approx(bits * np.log(2), rel=0.01)
    assert constant == 0.0
    first, second = ActivationEntropy(bits).damage(subject)
    assert first[0] > second[0]
