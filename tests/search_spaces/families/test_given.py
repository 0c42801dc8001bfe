"""A given network is a space of one architecture; each weight has a policy and counts as often as it is used."""

from __future__ import annotations

import pickle
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from search_spaces.candidate import Architecture
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph
from search_spaces.policy_space import PolicySpace


def test_one_slot_for_each_weight_and_one_node_for_each_call(given_graph: NetworkGraph) -> None:
    space = GivenSpace("mine", given_graph)
    assert [slot.name for slot in space.slots] == ["stem", "mix", "head"]
    stem, mix, head = space.layers(space.largest())
    assert (stem.normalized, stem.activation is not None, stem.calls) == (True, True, (stem,))
    assert [str(call.activation) for call in mix.calls] == ['activation function="gelu"', "None"]
    assert [call.macs for call in mix.calls] == [4 * 4 * 16] * 2
    assert mix.macs == 2 * 4 * 4 * 16
    assert head.calls == (head,)
    names = [node.name for node in space.nodes]
    assert names == ["stem", "once", "twice", "position", "sum", "roll", "residual", "attention", "pooled", "head"]


def test_layers_and_what_comes_besides_are_the_whole_network(given_graph: NetworkGraph) -> None:
    space = GivenSpace("mine", given_graph)
    layers = space.layers(space.largest())
    assert sum(layer.macs for layer in layers) + space.besides.macs == given_graph.macs
    assert space.besides.macs == 2 * 4 * 4 * 4 * 4  # of the attention
    shapes = given_graph.parameter_shapes
    trained = sum(prod(shape) for name, shape in shapes.items() if name not in ("norm.mean", "norm.variance"))
    assert sum(layer.parameters for layer in layers) + space.besides.parameters == trained


def test_candidates_are_policies_of_the_one_architecture(given_graph: NetworkGraph) -> None:
    space = JointSpace(GivenSpace("mine", given_graph), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))
    population = space.sample(np.random.default_rng(0), 20)
    assert population.genes.shape == (20, 3)
    assert {one.architecture for one in population.candidates()} == {Architecture("mine", 8, ())}
    assert np.array_equal(space.encode(population.candidates()).genes, population.genes)
    assert space.architectures.count() == 1
    again = pickle.loads(pickle.dumps(space))
    assert again.layers(population.genes) == space.layers(population.genes)
    with pytest.raises(ValueError, match="alone, got"):
        space.architectures.encode(Architecture("mine", 16, ()))


def test_refuses_a_network_without_weights(given_graph: NetworkGraph) -> None:
    empty = replace(given_graph, nodes=(), outputs=("images",))
    with pytest.raises(ValueError, match="must have a convolution, linear layer or embedding"):
        GivenSpace("mine", empty)
