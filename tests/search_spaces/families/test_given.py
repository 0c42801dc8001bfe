"""A given network is a space of one architecture; each weight has a policy and counts as often as it is used."""

from __future__ import annotations

import pickle
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from hardware.analytic import network_cost
from search_spaces.candidate import Architecture, Candidate
from search_spaces.choices import NonLayerCosts
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import GlobalPool
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.policy_space import PolicySpace

CHAIN = (
    Node("stem", Convolution.square(3, 4, 3, 2), ("images",), ("stem.weight",)),
    Node("relu", Activation("relu"), ("stem",)),
    Node("pooled", GlobalPool(), ("relu",)),
    Node("head", Linear(4, 2), ("pooled",), ("head.weight",)),
)


def test_one_slot_for_each_weight_and_one_node_for_each_call(given_space: GivenSpace) -> None:
    space = given_space
    assert [slot.name for slot in space.slots] == ["stem", "mix", "head"]
    stem, mix, head = space.layers(space.largest())
    assert (stem.normalized, stem.activation is not None, stem.calls) == (True, True, (stem,))
    assert [str(call.activation) for call in mix.calls] == ['activation function="gelu"', "None"]
    assert [call.macs for call in mix.calls] == [4 * 4 * 16] * 2
    assert mix.macs == 2 * 4 * 4 * 16
    assert head.calls == (head,)
    names = [node.name for node in space.nodes]
    assert names == ["stem", "once", "twice", "position", "sum", "roll", "residual", "attention", "pooled", "head"]


def test_layers_and_what_comes_besides_are_the_whole_network(given_space: GivenSpace) -> None:
    graph, layers = given_space.graph, given_space.layers(given_space.largest())
    assert sum(layer.macs for layer in layers) + given_space.non_layer_costs.macs == graph.macs
    assert given_space.non_layer_costs == NonLayerCosts(
        parameters=0, bytes=32, macs=2 * 4 * 4 * 4 * 4
    )  # of encoding and attention
    untrained = ("norm.mean", "norm.variance", "position")
    trained = sum(prod(shape) for name, shape in graph.parameter_shapes.items() if name not in untrained)
    assert sum(layer.parameters for layer in layers) == trained
    joint = JointSpace(given_space)
    weight_bytes = network_cost(joint, "weight_bytes")(joint.sample(np.random.default_rng(0), 1).genes)
    assert weight_bytes == 4 * trained + 32


def test_candidates_are_policies_of_the_one_architecture(given_space: GivenSpace) -> None:
    space = JointSpace(given_space, PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))
    population = space.sample(np.random.default_rng(0), 20)
    assert population.genes.shape == (20, 3)
    assert {one.architecture for one in population.candidates} == {Architecture("given", 8, ())}
    assert np.array_equal(space.encode(population.candidates).genes, population.genes)
    assert space.architectures.count() == 1
    again = pickle.loads(pickle.dumps(space))
    assert again.layers(population.genes) == space.layers(population.genes)
    with pytest.raises(ValueError, match="holds no Architecture"):
        space.architectures.encode(Architecture("given", 16, ()))


def test_refuses_a_network_without_weights(given_graph: NetworkGraph) -> None:
    empty = replace(given_graph, nodes=(), outputs=("images",))
    with pytest.raises(ValueError, match="must have a convolution, linear layer or embedding"):
        GivenSpace("mine", empty, {})


def test_widths_need_a_group_and_rise_to_all_of_its_channels(given_graph: NetworkGraph) -> None:
    stored = {name: StoredTensor(4 * prod(shape), prod(shape)) for name, shape in given_graph.parameter_shapes.items()}
    with pytest.raises(ValueError, match="each of 0 groups of channels needs widths, got 1 entries"):
        GivenSpace("mine", given_graph, stored, ((2, 4),))
    plain = replace(given_graph, nodes=CHAIN, outputs=("head",))
    sizes = {name: StoredTensor(4 * prod(shape), prod(shape)) for name, shape in plain.parameter_shapes.items()}
    with pytest.raises(ValueError, match=r"widths of stem must rise from 1 or more to 4, got \(4, 2\)"):
        GivenSpace("mine", plain, sizes, ((4, 2),))
    with pytest.raises(ValueError, match="no group of channels of the network has two or more widths"):
        GivenSpace("mine", plain, sizes, ((4,),))
    space = GivenSpace("mine", plain, sizes, ((2, 4),))
    assert [(gene.name, gene.values) for gene in space.genes] == [("stem.width", (2, 4))]
    narrow = space.decode(np.zeros(1, np.int16))
    assert [layer.weight_shape for layer in space.layers(narrow)] == [(2, 3, 3, 3), (2, 2)]
    assert space.keep(narrow) is not None
    assert space.keep(space.largest()) is None
    assert Candidate.from_json(Candidate(narrow).to_json()).architecture == narrow
    assert np.array_equal(pickle.loads(pickle.dumps(space)).encode(narrow), [0])
