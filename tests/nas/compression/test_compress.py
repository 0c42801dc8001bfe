"""Policies are applied to copies; ranges come from what flows through the network."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.compression.methods import DEFAULT_METHODS
from nas.compression.observers.min_max_range import MinMaxRange
from nas.compression.observers.observer import Observer
from nas.compression.observers.percentile import Percentile
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

LAYERS = [
    LayerSpec.conv("0", Convolution.square(2, 4, 3), 5, activation="relu"),
    LayerSpec.conv("1", Convolution.square(4, 3), 5),
]
W8A8, FLOAT = LayerPolicy.quantized(8, 8), LayerPolicy()


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*map(Layer, LAYERS)).eval()


def batch(seed: int) -> Tensor:
    return torch.randn(8, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


def test_the_given_network_stays_as_it_is(network: nn.Module) -> None:
    before, inputs = copy.deepcopy(network.state_dict()), batch(0)
    outputs = network(inputs)
    compressed = apply_policy(network, LAYERS, CompressionPolicy((LayerPolicy.quantized(2, 2), W8A8)))
    calibrate(compressed, [inputs])
    assert not torch.allclose(compressed(inputs), outputs, rtol=1e-2)
    assert torch.equal(network(inputs), outputs)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    with torch.no_grad():
        for parameter in compressed.parameters():
            parameter.zero_()
    assert torch.equal(network(inputs), outputs)


def test_every_layer_gets_its_own_policy(network: nn.Module) -> None:
    policy = CompressionPolicy((LayerPolicy.quantized(4, 8), FLOAT))
    compressed = apply_policy(network, LAYERS, policy)
    assert [layer.policy for layer in compressed.modules() if isinstance(layer, Layer)] == list(policy.layers)
    neutral = apply_policy(network, LAYERS, CompressionPolicy((FLOAT, FLOAT)))
    assert torch.equal(neutral(batch(0)), network(batch(0)))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_policies_of_another_length_are_refused(network: nn.Module, count: int) -> None:
    with pytest.raises(ValueError, match=rf"one entry per layer \(2\), got {count}"):
        apply_policy(network, LAYERS, CompressionPolicy((W8A8,) * count))


def test_modules_that_cannot_be_compressed_are_refused() -> None:
    with pytest.raises(ValueError, match="0 must be a Layer to be compressed, got Conv2d"):
        apply_policy(nn.Sequential(nn.Conv2d(2, 4, 3)), LAYERS[:1], CompressionPolicy((W8A8,)))


@pytest.mark.parametrize("observer", [MinMaxRange(), Percentile(99)])
def test_the_widest_range_over_all_batches_is_kept(network: nn.Module, observer: Observer) -> None:
    batches = [batch(1), 3 * batch(2), 0.1 * batch(3) + 2]
    compressed = apply_policy(network, LAYERS, CompressionPolicy((W8A8, FLOAT)))
    calibrate(compressed, batches, observer)
    first, second = (layer for layer in compressed.modules() if isinstance(layer, Layer))
    ranges = [observer.observe(inputs) for inputs in batches]
    assert first.input_quantizer.range == (min(low for low, _ in ranges), max(high for _, high in ranges))
    low, high = first.output_quantizer.range or (1, 1)
    assert (low, high > 0) == (0, True)  # after the ReLU
    assert second.input_quantizer.range is None
    calibrate(compressed, batches[:1], observer)
    assert first.input_quantizer.range == ranges[0]


def test_ranges_are_those_of_the_default_methods(network: nn.Module) -> None:
    outlier = torch.cat([torch.linspace(-1, 1, 19_999), torch.tensor([100.0])]).view(-1, 2, 5, 5)
    compressed = apply_policy(network, LAYERS, CompressionPolicy((W8A8, FLOAT)))
    calibrate(compressed, [outlier])
    first = compressed[0].input_quantizer.range
    assert first == DEFAULT_METHODS.observer.observe(outlier) != MinMaxRange().observe(outlier)


@pytest.mark.parametrize(("bits", "shared"), [(8, True), (4, False)])
def test_what_is_rounded_is_not_rounded_to_a_second_grid(network: nn.Module, bits: int, shared: bool) -> None:
    compressed = apply_policy(network, LAYERS, CompressionPolicy((W8A8, LayerPolicy.quantized(8, bits))))
    calibrate(compressed, [batch(1), batch(2)], Percentile(99))
    first, second = (layer for layer in compressed.modules() if isinstance(layer, Layer))
    assert (second.input_quantizer.range == first.output_quantizer.range) is shared


def test_ranges_of_nothing_are_refused(network: nn.Module) -> None:
    compressed = apply_policy(network, LAYERS, CompressionPolicy((W8A8, W8A8)))
    for batches, words in (([], "one or more batches of inputs, got none"), ([batch(0) * torch.nan], "got NaN")):
        with pytest.raises(ValueError, match=words):
            calibrate(compressed, batches)


def test_calibrated_networks_treat_images_one_by_one(network: nn.Module) -> None:
    compressed = apply_policy(network, LAYERS, CompressionPolicy((W8A8, W8A8))).double()  # no rounding flips a code
    inputs = torch.cat([batch(1)[:1], 5 * batch(2)[:1]]).double()
    assert not torch.allclose(compressed(inputs)[:1], compressed(inputs[:1]))  # dynamic ranges see the whole batch
    calibrate(compressed, [inputs])
    torch.testing.assert_close(compressed(inputs)[:1], compressed(inputs[:1]))
    assert all(
        not module._forward_pre_hooks for module in compressed.modules() if isinstance(module, ActivationQuantizer)
    )
