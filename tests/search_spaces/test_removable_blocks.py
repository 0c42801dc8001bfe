"""Blocks of graphs by hand: which can be left out, and what is left."""

from __future__ import annotations

from itertools import combinations

import pytest

from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import GlobalPool
from search_spaces.operators.opaque import Constant
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import Activation, BatchNorm, LayerNorm
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.removable_blocks import RemovableBlocks

RELU = Activation("relu")


def node(name: str, operator: Operator, *inputs: str, parameters: str | None = None) -> Node:
    owner = parameters or name.replace("_", ".")
    return Node(name, operator, inputs, tuple(f"{owner}.{role}" for role in operator.parameter_shapes))


def conv(name: str, read: str, channels: tuple[int, int] = (4, 4), stride: int = 1) -> Node:
    return node(name, Convolution.square(*channels, 3, stride), read)


def residual(name: str, read: str, channels: tuple[int, int] = (4, 4)) -> list[Node]:
    """Two convolutions with a shortcut, which is a convolution where the shape changes, and ReLU."""
    before, after = channels
    stride = 1 if before == after else 2
    nodes = [conv(f"{name}_first", read, channels, stride), node(f"{name}_inner", RELU, f"{name}_first")]
    nodes.append(conv(f"{name}_second", f"{name}_inner", (after, after)))
    if before != after:
        nodes.append(conv(f"{name}_shortcut", read, channels, stride))
    nodes.append(node(f"{name}_add", Add(), f"{name}_second", nodes[-1].name if before != after else read))
    return [*nodes, node(f"{name}_relu", RELU, f"{name}_add")]


@pytest.fixture
def graph() -> NetworkGraph:
    """A ResNet of four blocks, of which one halves the image."""
    nodes = [conv("stem", "x", (3, 4)), node("norm", BatchNorm(4), "stem"), node("begin", RELU, "norm")]
    nodes += [*residual("a", "begin"), *residual("b", "a_relu")]
    nodes += [*residual("c", "b_relu", (4, 8)), *residual("d", "c_relu", (8, 8))]
    nodes += [node("pool", GlobalPool(), "d_relu"), node("head", Linear(8, 2, True), "pool")]
    return NetworkGraph((("x", (3, 8, 8)),), tuple(nodes), ("head",))


def test_blocks_are_those_that_keep_the_shape(graph: NetworkGraph) -> None:
    found = RemovableBlocks.from_graph(graph)
    assert [(one.name, one.entry, one.exit) for one in found.blocks] == [
        ("a", "begin", "a_relu"),
        ("b", "a_relu", "b_relu"),
        ("d", "c_relu", "d_relu"),
    ]
    assert found.blocks[0].layers == ("a.first", "a.second")
    assert {name for name, blocks in found.needed_by.items() if blocks == ("b",)} == {
        one.name for one in residual("b", "a_relu")
    }


def test_any_blocks_can_be_left_out_together(graph: NetworkGraph) -> None:
    found = RemovableBlocks.from_graph(graph)
    saved = {name: graph.macs - found.remove([name]).macs for name in found.names}
    for count in range(4):
        for removed in combinations(found.names, count):
            left = found.remove(removed)
            assert left.shapes["head"] == (2,)
            assert left.macs == graph.macs - sum(saved[name] for name in removed)
            there = [layer for layer in graph.layers if layer.name[0] not in removed]
            assert [layer.name for layer in left.layers] == [layer.name for layer in there]
            for layer, whole in zip(left.layers, there, strict=True):  # what runs fused with a layer stays
                assert [one.activation for one in layer.units] == [one.activation for one in whole.units]
    assert found.remove([]) == graph
    nodes = {one.name: one for one in found.remove(["a", "b"]).nodes}
    assert nodes["c_first"].inputs == nodes["c_shortcut"].inputs == ("begin",)
    with pytest.raises(ValueError, match="blocks that can be left out are a, b, d; got 'c'"):
        found.remove(["c"])


def transformer(*tail: Node) -> NetworkGraph:
    """Two branches with a norm before each, and what follows."""
    nodes = [node("embed", Linear(3, 4, True), "x")]
    for name, read in (("a", "embed"), ("b", "a_add")):
        nodes += [node(f"{name}_norm", LayerNorm((4,)), read), node(f"{name}_up", Linear(4, 8, True), f"{name}_norm")]
        nodes += [node(f"{name}_gelu", Activation("gelu"), f"{name}_up")]
        nodes += [node(f"{name}_down", Linear(8, 4, True), f"{name}_gelu"), node(f"{name}_table", Constant((5, 4)))]
        nodes += [node(f"{name}_shifted", Add(), f"{name}_down", f"{name}_table")]
        nodes += [node(f"{name}_add", Add(), read, f"{name}_shifted")]
    nodes += tail or [node("norm", LayerNorm((4,)), "b_add"), node("head", Linear(4, 2, True), "norm")]
    return NetworkGraph((("x", (5, 3)),), tuple(nodes), (nodes[-1].name,))


def test_the_last_norm_stays_and_constants_go_with_the_block_that_reads_them() -> None:
    found = RemovableBlocks.from_graph(transformer())
    assert [(one.name, one.exit) for one in found.blocks] == [("a", "a_add"), ("b", "b_add")]
    left = found.remove(["a", "b"])
    assert [one.name for one in left.nodes] == ["embed", "norm", "head"]
    assert left.nodes[1].inputs == ("embed",)


def test_what_would_change_other_layers_stays() -> None:
    returned = RemovableBlocks.from_graph(NetworkGraph((("x", (5, 3)),), transformer().nodes[:-2], ("b_add",)))
    assert returned.names == ("a",)
    # without `b`, or both, the ReLU would be the only reader of the embedding, and run fused with it
    fused = [node("relu", RELU, "b_add"), node("head", Linear(4, 2, True), "relu")]
    assert RemovableBlocks.from_graph(transformer(*fused)).names == ("a",)
    shared = [node("c_again", Linear(4, 8, True), "b_add", parameters="a.up"), node("head", Linear(8, 2), "c_again")]
    assert RemovableBlocks.from_graph(transformer(*shared)).names == ("b",)


def test_a_chain_loses_single_layers_but_not_the_first() -> None:
    nodes = [node(name, Linear(4, 4, True), read) for name, read in (("p.0", "x"), ("p.1", "r0"), ("p.2", "r1"))]
    relus = [node(f"r{number}", RELU, f"p.{number}") for number in range(3)]
    chain = [one for pair in zip(nodes, relus, strict=True) for one in pair]
    graph = NetworkGraph((("x", (4,)),), (*chain, node("head", Linear(4, 2), "r2")), ("head",))
    assert [(one.name, one.exit) for one in RemovableBlocks.from_graph(graph).blocks] == [("p.1", "r1"), ("p.2", "r2")]
