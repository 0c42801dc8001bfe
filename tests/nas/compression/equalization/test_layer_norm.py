"""A step for the tensor rounds as a step for each channel did."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.equalization.layer_norm import LayerNormReparameterization, reparameterize
from nas.compression.observers.min_max_range import MinMaxRange
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy


@pytest.mark.parametrize("bits", [4, 8])
def test_the_rounded_path_is_that_of_a_step_for_each_channel(bits: int) -> None:
    generator = torch.Generator().manual_seed(0)
    factors, means = torch.logspace(-1, 1, 12, dtype=torch.float64), torch.linspace(-1, 1, 12, dtype=torch.float64)
    values = (torch.randn(500, 12, generator=generator, dtype=torch.float64) + means) * factors
    weight = torch.randn(7, 12, generator=generator, dtype=torch.float64)
    low, high = values.amin(0), values.amax(0)
    scales, shifts = reparameterize(low, high, bits)

    steps = (high - low) / (2**bits - 1)
    zeros, zero = (-low / steps).round(), (-low / steps).round().mean().round()
    codes = ((values / steps).round() + zeros).clamp(0, 2**bits - 1)
    expected = ((codes - zeros) * steps) @ weight.T

    moved = (values + shifts) / scales
    step = steps.mean()
    moved_codes = ((moved / step).round() + zero).clamp(0, 2**bits - 1)
    found = ((moved_codes - zero) * step) @ (weight * scales).T - weight @ shifts
    torch.testing.assert_close(moved_codes, codes, rtol=0, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("bias", [True, False])
def test_activations_after_a_norm_are_rounded_with_less_error(bias: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 8, bias=bias)).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.logspace(-1, 1, 12))
        net[0].bias.copy_(torch.linspace(-3, 3, 12))
        net[1].weight /= torch.logspace(-1, 1, 12)
    data = CalibrationData(torch.randn(256, 12))
    subject = CompressionSubject.uniform_choices(trace(net, [data.inputs[:1]]), [LayerPolicy()], data)
    found = LayerNormReparameterization(4).equalize(subject)
    errors = []
    for traced in (subject.traced, found):
        network = compress(traced, CompressionPolicy((LayerPolicy.parse("w32a4"),)))
        calibrate(network, data, MinMaxRange())
        with torch.no_grad():
            errors.append(float((network(data.inputs) - net(data.inputs)).square().mean()))
    assert 3 * errors[1] < errors[0]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="2 to 8 bits, got 16"):
        LayerNormReparameterization(16)
