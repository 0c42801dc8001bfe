"""Graphs of networks are checked values, from which layers, shapes and counts follow."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import Flatten, GlobalPool
from search_spaces.operators.opaque import Constant, Opaque
from search_spaces.operators.pointwise import Activation, BatchNorm
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Convolution, Linear

NORM = ("norm.weight", "norm.bias", "norm.mean", "norm.variance")
GRAPH = NetworkGraph(
    inputs=(("images", (3, 8, 8)),),
    nodes=(
        Node("stem", Convolution.square(3, 4, 3, 2), ("images",), ("stem.weight",)),
        Node("norm", BatchNorm(4), ("stem",), NORM),
        Node("relu", Activation("relu"), ("norm",)),
        Node("once", Convolution.square(4, 4, 1, bias=True), ("relu",), ("mix.weight", "mix.bias")),
        Node("twice", Convolution.square(4, 4, 1, bias=True), ("once",), ("mix.weight", "mix.bias")),
        Node("offset", Constant((1, 4, 1, 1)), (), ("offset",)),
        Node("sum", Add(), ("twice", "offset")),
        Node("roll", Opaque("aten.roll.default", '[[{"input":0},1,-1],{}]', (4, 4, 4)), ("sum",)),
        Node("residual", Add(), ("roll", "once")),
        Node("pooled", GlobalPool(), ("residual",)),
        Node("flat", Flatten(), ("pooled",)),
        Node("head", Linear(4, 2), ("flat",), ("head",)),
    ),
    outputs=("head",),
)


def test_shapes_and_counts_follow_from_the_operators() -> None:
    assert GRAPH.shapes["norm"] == (4, 4, 4)
    assert GRAPH.shapes["sum"] == (4, 4, 4)
    assert GRAPH.shapes["head"] == (2,)
    assert GRAPH.macs == 3 * 4 * 9 * 16 + 2 * 4 * 4 * 16 + 4 * 2
    assert GRAPH.parameter_shapes["mix.weight"] == (4, 4, 1, 1)
    assert GRAPH.operator_counts["convolution"] == 3


def test_a_layer_is_a_weight_with_its_call_sites_and_what_runs_fused_with_them() -> None:
    stem, mix, head = GRAPH.layers
    assert [layer.name for layer in GRAPH.layers] == ["stem", "mix", "head"]
    (unit,) = stem.units
    assert (unit.norm, unit.activation, unit.accumulated) == (GRAPH.nodes[1], GRAPH.nodes[2], GRAPH.nodes[1])
    assert [unit.call.name for unit in mix.units] == ["once", "twice"]
    assert all(unit.accumulated is unit.call for unit in (*mix.units, *head.units))


def test_what_others_read_is_not_fused() -> None:
    shown = replace(GRAPH, outputs=("head", "norm"))
    assert shown.layers[0].units[0].activation is None
    assert shown.layers[0].units[0].norm == GRAPH.nodes[1]


def test_round_trips() -> None:
    assert NetworkGraph.from_json(GRAPH.to_json()) == GRAPH
    assert pickle.loads(pickle.dumps(GRAPH)) == GRAPH
    assert hash(NetworkGraph.from_json(GRAPH.to_json())) == hash(GRAPH)


@pytest.mark.parametrize("text", ["{}", "[1]", "no", '{"version":1,"inputs":[],"nodes":[["a"]],"outputs":[]}'])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(not the JSON of a network graph|not enough values)"):
        NetworkGraph.from_json(text)


def test_other_versions_are_refused() -> None:
    with pytest.raises(ValueError, match="graph is read in version 1, got version 2; read it with the"):
        NetworkGraph.from_json(GRAPH.to_json().replace('"version":1', '"version":2'))


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (Node("late", Add(), ("stem", "later")), r"node 'late' must have a name of its own and read earlier values"),
        (Node("stem", Flatten(), ("head",)), r"node 'stem' must have a name of its own"),
        (Node("late", Linear(2, 2, True), ("head",), ("w",)), r"must name its parameters \['weight', 'bias'\]"),
    ],
)
def test_graphs_that_cannot_run_are_refused(node: Node, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        replace(GRAPH, nodes=(*GRAPH.nodes, node))


def test_shapes_that_do_not_fit_name_the_node() -> None:
    broken = replace(GRAPH, inputs=(("images", (1, 8, 8)),))
    with pytest.raises(ValueError, match=r"node 'stem': operator convolution reads one input of 3 channels"):
        _ = broken.shapes
