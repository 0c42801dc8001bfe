"""The contract of sensitivity metrics, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.compression.quantizers.mse import LeastSquaredError
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.sensitivity.sensitivity_metric import CompressibleLayers
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

SPECS = [
    LayerSpec.conv("0", Convolution.square(2, 4, 3), 5, activation="relu"),
    LayerSpec.conv("1", Convolution.square(4, 3), 5),
]
FLOAT = LayerPolicy()
CHOICES = [[FLOAT, LayerPolicy.quantized(8, 8), LayerPolicy.quantized(2, 8)], [LayerPolicy.quantized(4, 8), FLOAT]]


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*map(Layer, SPECS)).eval()


@pytest.mark.parametrize("name", list(SENSITIVITY_METRICS))
def test_damage_is_that_of_each_choice(name: str, network: nn.Module) -> None:
    layers = CompressibleLayers.from_network(network, SPECS, CHOICES)
    before = [weight.clone() for weight in layers.weights]
    metric = SENSITIVITY_METRICS[name]()
    first, second = metric.damage(layers)
    assert (first.shape, second.shape) == ((3,), (2,))
    assert (first[0], second[1]) == (0.0, 0.0)
    assert 0 < first[1] < first[2]
    assert 0 < second[0] < np.inf
    assert all(np.array_equal(*pair) for pair in zip(metric.damage(layers), (first, second), strict=True))
    assert all(torch.equal(*pair) for pair in zip(layers.weights, before, strict=True))
    assert metric == SENSITIVITY_METRICS[name]()


@pytest.mark.parametrize("name", list(SENSITIVITY_METRICS))
def test_damage_is_that_of_learnt_steps(name: str, network: nn.Module) -> None:
    """A step that clips is learnt by one layer: that layer alone has other damage than before."""
    metric = SENSITIVITY_METRICS[name]()
    before = metric.damage(CompressibleLayers.from_network(network, SPECS, CHOICES))
    network[0].learn_weight_step(2)
    network[0].log_weight_step.data -= 2.0
    layers = CompressibleLayers.from_network(network, SPECS, CHOICES)
    assert [step is None for step in layers.steps] == [False, True]
    after = metric.damage(layers)
    assert after[0][0] == 0.0
    assert (after[0][1:] > 2 * before[0][1:]).all()
    assert np.array_equal(after[1], before[1])


def test_layers_of_given_networks_are_found() -> None:
    convolutions = nn.Sequential(*(nn.Conv2d(*shape, 3, padding=1) for shape in ((2, 4), (4, 3)))).eval()
    traced = trace(convolutions, [torch.zeros(1, 2, 5, 5)])
    layers = CompressibleLayers.from_traced(traced, CHOICES, LeastSquaredError())
    assert all(torch.equal(weight, made.weight) for weight, made in zip(layers.weights, convolutions, strict=True))
    assert layers.quantizer == LeastSquaredError()


@pytest.mark.parametrize("choices", [CHOICES[:1], [[FLOAT], []]])
def test_every_layer_has_choices(network: nn.Module, choices: list[list[LayerPolicy]]) -> None:
    with pytest.raises(ValueError, match="each of 2 layers needs one or more policies, got"):
        CompressibleLayers.from_network(network, SPECS, choices)


def test_steps_are_those_of_all_layers_or_none() -> None:
    with pytest.raises(ValueError, match="each of 1 layers needs a step or None, got 2"):
        CompressibleLayers((torch.ones(1, 1),), ((FLOAT,),), steps=(None, None))
