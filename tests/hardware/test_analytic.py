"""A network costs exactly what its layers and the rest of it cost."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.analytic import network_cost
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace


@pytest.mark.parametrize("name", ANALYTIC_COSTS)
def test_a_network_costs_what_its_layers_cost_and_what_it_has_besides(name: str, given_space: GivenSpace) -> None:
    space, cost = JointSpace(given_space, PolicySpace.parse(["w32a32", "w4a8"])), ANALYTIC_COSTS[name]
    population = space.sample(np.random.default_rng(0), 8)
    besides = cost.non_layer_cost(given_space.non_layer_costs)
    found = network_cost(space, name)(population.genes)
    for row, layers in enumerate(space.layers(population.genes)):
        pairs = zip(layers, population[row].policy.layers, strict=True)
        assert found[row] == besides + sum(cost.layer_cost(*pair) for pair in pairs)


def test_unknown_costs_are_refused(given_space: GivenSpace) -> None:
    with pytest.raises(ValueError, match="unknown analytic cost 'price'; known analytic costs: weight_bytes, macs"):
        network_cost(JointSpace(given_space), "price")
