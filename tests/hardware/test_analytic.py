"""Analytic costs are exact."""

import numpy as np
import pytest

from hardware.analytic import COSTS, bops, macs, network_cost, parameters, weight_bytes
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution
from search_spaces.policy_space import PolicySpace

CONV = LayerSpec.conv(
    "a", Convolution.square(32, 64, 3, stride=2), 15
)  # 18,432 weights, 8x8 outputs, 128 of normalisation
LINEAR = LayerSpec.linear("b", 10, 3)  # 30 weights, 3 of bias


def test_float_costs() -> None:
    policy = LayerPolicy()
    assert weight_bytes(CONV, policy) == 18_432 * 4 + 128 * 4
    assert macs(CONV, policy) == 18_432 * 64
    assert bops(CONV, policy) == 18_432 * 64 * 32 * 32
    assert parameters(CONV, policy) == 18_432 + 128


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_quantised_weights_bring_a_scale_per_channel(bits: int) -> None:
    policy = LayerPolicy.quantized(bits, 8)
    assert weight_bytes(CONV, policy) == 18_432 * bits / 8 + (64 + 128) * 4
    assert weight_bytes(LINEAR, policy) == 30 * bits / 8 + (3 + 3) * 4
    assert bops(LINEAR, policy) == 30 * bits * 8
    assert parameters(LINEAR, policy) == 33


@pytest.mark.parametrize("name", COSTS)
def test_a_network_costs_what_its_layers_cost_and_what_it_has_besides(name: str, given_space: GivenSpace) -> None:
    space = JointSpace(given_space, PolicySpace.parse(["w32a32", "w4a8"]))
    population = space.sample(np.random.default_rng(0), 8)
    besides = COSTS[name].of_non_layer(given_space.non_layer_costs)
    found = network_cost(space, name)(population.genes)
    for row, layers in enumerate(space.layers(population.genes)):
        pairs = zip(layers, population[row].policy.layers, strict=True)
        assert found[row] == besides + sum(COSTS[name].of_layer(*pair) for pair in pairs)
