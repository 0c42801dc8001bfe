"""A given network with blocks and widths to choose costs what it is without them, traced anew."""

from __future__ import annotations

import pickle
from math import prod

import numpy as np
import pytest

from hardware.analytic import network_cost
from hardware.building.calibrate_table import build_random_network
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_terms import tabulate_tensors
from hardware.calibration.tensors import find_tensors
from hardware.device import ONNXRUNTIME_CPU
from results.description import describe
from search_spaces.additive_cost import AdditiveCost
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.candidate import Architecture, Candidate, KeptBlock, OperatorBlock
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.families.given_blocks import list_blocks_beside_widths
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import GlobalPool
from search_spaces.operators.opaque import Constant
from search_spaces.operators.operator import STATISTICS, Operator
from search_spaces.operators.pointwise import Activation, BatchNorm, LayerNorm
from search_spaces.operators.products import Add, Attention, Multiply
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.policy_space import PolicySpace
from search_spaces.quantities import Quantities
from search_spaces.removable_blocks import RemovableBlocks

POLICIES = PolicySpace.parse(["w32a32", "w8a8", "w4a8"])
RELU = Activation("relu")


def node(name: str, operator: Operator, *inputs: str) -> Node:
    return Node(name, operator, inputs, tuple(f"{name.replace('_', '.')}.{role}" for role in operator.parameter_shapes))


def resnet() -> NetworkGraph:
    """A stem whose activation is fused, two blocks that end with one that is not, and a layer that halves the image."""
    nodes = [node("stem", Convolution.square(3, 4, 3), "x"), node("norm", BatchNorm(4), "stem")]
    nodes.append(node("begin", RELU, "norm"))
    for name, read in (("a", "begin"), ("b", "a_relu")):
        nodes += [node(f"{name}_up", Convolution.square(4, 6, 3), read), node(f"{name}_hard", RELU, f"{name}_up")]
        nodes += [node(f"{name}_down", Convolution.square(6, 4, 1), f"{name}_hard")]
        nodes += [node(f"{name}_norm", BatchNorm(4), f"{name}_down"), node(f"{name}_add", Add(), f"{name}_norm", read)]
        nodes += [node(f"{name}_relu", RELU, f"{name}_add")]
    nodes += [node("c_one", Convolution.square(4, 8, 3, 2), "b_relu"), node("c_gelu", Activation("gelu"), "c_one")]
    nodes += [node("pool", GlobalPool(), "c_gelu"), node("head", Linear(8, 2, True), "pool")]
    return NetworkGraph((("x", (3, 8, 8)),), tuple(nodes), ("head",))


def transformer() -> NetworkGraph:
    """An attention, with constants of its own first in their product, and an MLP; normalised after the sums."""
    nodes = [node("embed", Linear(3, 4, True), "x"), node("before", LayerNorm((4,)), "embed")]
    nodes += [node(f"a_{name}", Linear(4, 4, True), "before") for name in "qkv"]
    nodes += [node("a_attend", Attention(), "a_q", "a_k", "a_v"), node("a_out", Linear(4, 4, True), "a_attend")]
    nodes += [node("a_scale", Constant((5, 4))), node("a_scaled", Multiply(), "a_scale", "a_out")]
    nodes += [node("a_add", Add(), "a_scaled", "before"), node("a_norm", LayerNorm((4,)), "a_add")]
    nodes += [node("b_up", Linear(4, 8, True), "a_norm"), node("b_gelu", Activation("gelu"), "b_up")]
    nodes += [node("b_down", Linear(8, 4, True), "b_gelu"), node("b_add", Add(), "a_norm", "b_down")]
    nodes += [node("b_norm", LayerNorm((4,)), "b_add"), node("head", Linear(4, 2, True), "b_norm")]
    return NetworkGraph((("x", (5, 3)),), tuple(nodes), ("head",))


def make_space(
    graph: NetworkGraph, widths: tuple[tuple[int, ...], ...] = (), blocks: tuple[str, ...] = ()
) -> GivenSpace:
    untrained = {
        name
        for one in graph.nodes
        for name, role in zip(one.parameters, one.operator.parameter_shapes, strict=True)
        if role in STATISTICS or isinstance(one.operator, Constant)
    }
    sizes = {name: prod(shape) for name, shape in graph.parameter_shapes.items()}
    stored = {name: StoredTensor(4 * size, size * (name not in untrained)) for name, size in sizes.items()}
    return GivenSpace("given", graph, stored, widths, blocks)


def make_whole(name: str) -> GivenSpace:
    graph = resnet() if name != "transformer" else transformer()
    groups = CoupledChannels.from_graph(graph).groups
    widths = tuple((group.size // 2, group.size) for group in groups) if name == "resnet, widths" else ()
    return make_space(graph, widths, RemovableBlocks.from_graph(graph).names)


@pytest.fixture(params=["resnet", "resnet, widths", "transformer"])
def space(request: pytest.FixtureRequest) -> JointSpace:
    return JointSpace(make_whole(request.param), POLICIES)


def list_candidates(space: JointSpace) -> list[Candidate]:
    """All architectures, each with random policies."""
    border = space.cardinalities[: len(space.architectures.choices)]
    rows = np.array([*np.ndindex(*border)])
    policies = np.random.default_rng(0).integers(0, 3, size=(len(rows), len(space.slots)))
    return [*space.population(np.concatenate([rows, policies], 1)).unique().candidates]


def trace_anew(space: GivenSpace, architecture: Architecture) -> GivenSpace:
    """The space of what an architecture is, without choices of its own."""
    graph, kept = space.graph, space.keep(architecture)
    if kept is not None:
        graph = CoupledChannels.from_graph(graph).narrow(kept)
    return make_space(RemovableBlocks.from_graph(space.graph).remove(space.find_removed(architecture), graph))


def test_costs_and_tensors_are_those_of_what_is_left(space: JointSpace) -> None:
    whole = space.architectures
    assert isinstance(whole, GivenSpace)
    candidates = list_candidates(space)
    assert len({one.architecture for one in candidates}) == whole.count() >= 4
    population = space.encode(candidates)
    alone = [JointSpace(trace_anew(whole, one.architecture), POLICIES) for one in candidates]
    again = [
        joint.encode([Candidate(joint.architectures.largest(), one.policy)])
        for joint, one in zip(alone, candidates, strict=True)
    ]
    for name in ANALYTIC_COSTS:
        expected = [network_cost(joint, name)(one.genes)[0] for joint, one in zip(alone, again, strict=True)]
        assert network_cost(space, name)(population.genes) == pytest.approx(expected), name
    tensors = [
        find_tensors(build_random_network(joint, one.candidates[0], ONNXRUNTIME_CPU))
        for joint, one in zip(alone, again, strict=True)
    ]
    within = [find_tensors(build_random_network(space, one, ONNXRUNTIME_CPU)) for one in candidates]
    assert within == tensors
    rng = np.random.default_rng(0)
    uses = {tensor.use: TensorCost(rng.uniform(0.01, 0.02), rng.uniform(0, 1e-5)) for one in tensors for tensor in one}
    costs, quantities = TensorCosts(uses), Quantities(space.cardinalities.tolist())
    priced = AdditiveCost(tabulate_tensors(space, ONNXRUNTIME_CPU, costs, quantities), quantities.derived)
    assert priced(population.genes) == pytest.approx([costs.total(one) for one in tensors], rel=1e-9)
    assert [one.unnamed for one in whole.layers(candidates[-1].architecture)] == [
        one.unnamed for one in alone[-1].architectures.layers(alone[-1].architectures.largest())
    ]


def test_genes_and_candidates_are_one_another(space: JointSpace) -> None:
    candidates = list_candidates(space)
    population = space.encode(candidates)
    assert space.decode(population.genes) == candidates
    assert [Candidate.from_json(one.to_json()) for one in candidates] == candidates
    free = np.where(space.is_active(population.genes), population.genes, space.cardinalities - 1).astype(np.int16)
    assert [*space.population(free).candidates] == candidates
    assert all(
        space.find_condition(gene) is not None for gene in range(len(space.genes)) if "a.up" in space.genes[gene].name
    )
    again = pickle.loads(pickle.dumps(space))
    assert again.layers(population.genes) == space.layers(population.genes)
    assert space.architectures.largest() == candidates[-1].architecture


def test_only_blocks_whose_ends_have_the_same_channels_go_beside_widths() -> None:
    assert list_blocks_beside_widths(resnet()) == ("a", "b")
    chain = [
        node("first", Linear(3, 4), "x"),
        node("second", Linear(4, 4), "first"),
        node("head", Linear(4, 2), "second"),
    ]
    graph = NetworkGraph((("x", (3,)),), tuple(chain), ("head",))
    assert (RemovableBlocks.from_graph(graph).names, list_blocks_beside_widths(graph)) == (("second",), ())
    with pytest.raises(ValueError, match="blocks with the same channels at both ends are left out, got 'second'"):
        make_space(graph, ((2, 4), (2, 4)), ("second",))


def test_unknown_blocks_are_refused_and_kept_ones_named() -> None:
    with pytest.raises(ValueError, match="the blocks that can be left out are a, b; got 'c'"):
        make_space(resnet(), (), ("c",))
    space = make_space(resnet(), (), ("b",))
    assert [gene.name for gene in space.genes] == ["b.kept"]
    assert space.find_removed(space.decode(np.zeros(1, np.int16))) == ("b",)
    assert describe(Candidate(space.largest())) == "given, with b"
    with pytest.raises(ValueError, match="has no blocks like"):
        space.encode(Architecture("given", 8, ((OperatorBlock("b"),),)))
    with pytest.raises(ValueError, match=r"space 'given' has no a\.kept"):
        space.encode(Architecture("given", 8, ((KeptBlock("a"),),)))
