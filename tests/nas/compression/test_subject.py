"""A subject knows its weights, and refuses what cannot be compressed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy

CONVOLUTIONS = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ConvTranspose2d(4, 3, 3))
TRACED = trace(CONVOLUTIONS, [torch.zeros(1, 2, 5, 5)])
FLOAT = LayerPolicy()


def test_weights_have_their_output_channels_first() -> None:
    first, second = CompressionSubject.uniform_choices(TRACED, [FLOAT]).weights
    assert torch.equal(first, CONVOLUTIONS[0].weight)
    assert torch.equal(second, CONVOLUTIONS[1].weight.transpose(0, 1))


@pytest.mark.parametrize("choices", [((FLOAT,),), ((FLOAT,), ())])
def test_every_layer_has_choices(choices: tuple[tuple[LayerPolicy, ...], ...]) -> None:
    with pytest.raises(ValueError, match="each of 2 layers needs one or more policies, got"):
        CompressionSubject(TRACED, choices)


def test_data_has_the_shape_and_the_type_that_the_network_reads() -> None:
    with pytest.raises(ValueError, match=r"layer 0 reads inputs of torch.float32, got torch.uint8; convert them"):
        CompressionSubject.uniform_choices(TRACED, [FLOAT], CalibrationData(torch.zeros(1, 2, 5, 5, dtype=torch.uint8)))
    with pytest.raises(ValueError, match=r"reads inputs of shape \(2, 5, 5\), got \(3, 5, 5\)"):
        CompressionSubject.uniform_choices(TRACED, [FLOAT], CalibrationData(torch.zeros(1, 3, 5, 5)))
    with pytest.raises(ValueError, match="needs calibration data"):
        CompressionSubject.uniform_choices(TRACED, [FLOAT]).need_data()


def test_weights_are_finite() -> None:
    broken = {name: tensor * torch.nan for name, tensor in TRACED.parameters.items()}
    with pytest.raises(ValueError, match="must be finite to be compressed, got NaN in"):
        CompressionSubject.uniform_choices(replace(TRACED, parameters=broken), [FLOAT])
