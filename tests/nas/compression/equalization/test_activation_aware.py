"""Scales are chosen by what the outputs lose: none where none helps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.equalization import activation_aware
from nas.compression.equalization.activation_aware import ActivationAwareScaling
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

W3 = CompressionPolicy((LayerPolicy.parse("w3a32"),) * 2)


def subject_of(factor: float) -> CompressionSubject:
    """A hidden layer of which one channel is `factor` times as active as the others."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 8))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(16))
        net[0].weight[3] *= factor
        net[0].bias.zero_()
    return CompressionSubject.uniform_choices(
        trace(net, [torch.randn(1, 16)]), [LayerPolicy()], CalibrationData(torch.randn(256, 16).abs())
    )


def error(traced: TracedNetwork, subject: CompressionSubject) -> Tensor:
    inputs = subject.need_data().inputs
    with torch.no_grad():
        return (compress(traced, W3)(inputs) - subject.traced.network()(inputs)).square().mean()


def test_one_large_channel_is_rounded_in_finer_steps() -> None:
    subject = subject_of(50.0)
    found = ActivationAwareScaling().equalize(subject)
    ratio = found.parameters["2.weight"] / subject.traced.parameters["2.weight"]
    assert ratio[0, 3] == ratio.max() > 2 * ratio[0, 4]
    assert 2 * error(found, subject) < error(subject.traced, subject)


def test_it_is_never_worse_than_nearest_codes() -> None:
    for factor in (0.1, 1.0, 3.0):
        subject = subject_of(factor)
        assert error(ActivationAwareScaling().equalize(subject), subject) <= error(subject.traced, subject) * 1.0001


def test_an_exponent_of_0_is_rounding_to_nearest_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_aware, "_EXPONENTS", [0.0])
    subject = subject_of(50.0)
    found = ActivationAwareScaling().equalize(subject)
    assert all(torch.equal(found.parameters[name], tensor) for name, tensor in subject.traced.parameters.items())


def test_equal_channels_stay() -> None:
    subject = subject_of(1.0)
    ones = CalibrationData(torch.ones(32, 16))
    found = ActivationAwareScaling().equalize(replace(subject, data=ones))
    assert all(torch.equal(found.parameters[name], tensor) for name, tensor in subject.traced.parameters.items())


def test_data_and_sound_settings_are_needed() -> None:
    with pytest.raises(ValueError, match="needs calibration data"):
        ActivationAwareScaling().equalize(replace(subject_of(1.0), data=None))
    with pytest.raises(ValueError, match="2 to 8 bits"):
        ActivationAwareScaling(bits=9)
