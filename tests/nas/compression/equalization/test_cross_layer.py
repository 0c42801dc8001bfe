"""Ranges of weights are equal after it, and rounding then costs less."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.equalization.cross_layer import CrossLayerEqualization
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy


def make_unequal() -> tuple[nn.Sequential, TracedNetwork]:
    """Three layers whose channels differ by factors of up to a thousand, as after depthwise layers."""
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU()]
    net = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()
    factors = torch.logspace(-1.5, 1.5, 8)
    with torch.no_grad():
        net[1].weight *= factors
        net[1].running_var.uniform_(0.5, 2.0)
        net[3].weight /= factors.view(-1, 1, 1, 1)
        net[3].weight *= factors.flip(0).view(-1, 1, 1, 1)
        net[3].bias *= factors.flip(0)
        net[7].weight /= factors.flip(0)
    return net, trace(net, [torch.randn(1, 3, 8, 8)])


def test_both_layers_have_the_same_range_in_every_channel() -> None:
    net, traced = make_unequal()
    found = CrossLayerEqualization().equalize(CompressionSubject.uniform_choices(traced, [LayerPolicy()]))
    tensors = {name: tensor.detach() for name, tensor in found.parameters.items()}
    folded = tensors["1.weight"].abs() / (net[1].running_var + net[1].eps).sqrt()
    made = tensors["0.weight"].abs().flatten(1).amax(1) * folded
    between = tensors["3.weight"].abs().flatten(1).amax(1)
    torch.testing.assert_close(made, between, rtol=1e-3, atol=0)
    torch.testing.assert_close(between, tensors["7.weight"].abs().amax(0), rtol=1e-3, atol=0)


def test_rounding_costs_less() -> None:
    _, traced = make_unequal()
    found = CrossLayerEqualization().equalize(CompressionSubject.uniform_choices(traced, [LayerPolicy()]))
    policy, images = CompressionPolicy((LayerPolicy.parse("w4a4"),) * 3), torch.randn(64, 3, 8, 8)
    with torch.no_grad():
        expected = traced.network()(images)
        plain, equal = ((compress(one, policy)(images) - expected).square().mean() for one in (traced, found))
    assert 4 * equal < plain


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="a tolerance above 0"):
        CrossLayerEqualization(tolerance=float("nan"))
