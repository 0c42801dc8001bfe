"""Activations are rounded where a device rounds them, and nothing twice."""

from __future__ import annotations

from nas.compression.tracing.quantized_graph import Quantize, quantize_activations
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import Flatten, Reshape
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import Activation, BatchNorm
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Convolution, Embedding, Linear

NORM = ("n.weight", "n.bias", "n.mean", "n.variance")


def graph(*nodes: tuple[str, Operator, tuple[str, ...], tuple[str, ...]], output: str) -> NetworkGraph:
    return NetworkGraph((("x", (4, 3, 3)),), tuple(Node(*node) for node in nodes), (output,))


def rounded(graph: NetworkGraph) -> dict[str, tuple[str, ...]]:
    return {node.name: node.inputs for node in graph.nodes}


def test_a_norm_and_a_relu_belong_to_their_layer() -> None:
    given = graph(
        ("conv", Convolution.square(4, 4), ("x",), ("w",)),
        ("norm", BatchNorm(4), ("conv",), NORM),
        ("relu", Activation("relu"), ("norm",), ()),
        ("second", Convolution.square(4, 4), ("relu",), ("v",)),
        ("swish", Activation("hard_swish"), ("second",), ()),
        output="swish",
    )
    found = rounded(quantize_activations(given, [8, 8]))
    assert found["conv"] == ("x at 8 bits",)
    assert found["norm"] == ("conv",)
    assert found["relu"] == ("norm",)
    assert found["second"] == ("relu at 8 bits",)  # which is not rounded again
    assert found["swish"] == ("second at 8 bits",)
    assert sum(" at " in name for name in found) == 3


def test_readers_of_one_value_share_its_rounding_and_other_bits_round_again() -> None:
    given = graph(
        ("a", Convolution.square(4, 4), ("x",), ("a.weight",)),
        ("b", Convolution.square(4, 4), ("x",), ("b.weight",)),
        ("moved", Reshape((4, 9)), ("a",), ()),
        ("back", Reshape((4, 3, 3)), ("moved",), ()),
        ("c", Convolution.square(4, 4), ("back",), ("c.weight",)),
        ("d", Convolution.square(4, 4), ("back",), ("d.weight",)),
        ("sum", Add(), ("c", "d"), ()),
        output="sum",
    )
    found = rounded(quantize_activations(given, [8, 8, 8, 4]))
    assert found["a"] == found["b"] == ("x at 8 bits",)
    assert found["moved"] == ("a at 8 bits",)
    assert found["c"] == ("back",)  # moved about, but rounded already
    assert found["d"] == ("back at 4 bits",)
    assert found["sum"] == ("c at 8 bits", "d at 4 bits")


def test_embeddings_and_layers_of_full_precision_round_nothing() -> None:
    nodes = (
        Node("rows", Embedding(9, 4), ("x",), ("w",)),
        Node("head", Linear(4, 9), ("rows",), ("w",)),
        Node("flat", Flatten(), ("head",)),
        Node("last", Linear(27, 2), ("flat",), ("v",)),
    )
    given = NetworkGraph((("x", (3,)),), nodes, ("last",))
    found = quantize_activations(given, [8, 32])
    assert rounded(found)["rows"] == ("x",)
    assert rounded(found)["head"] == ("rows at 8 bits",)
    assert rounded(found)["last"] == ("flat",)
    assert [node.operator for node in found.nodes if node.name.endswith("bits")] == [Quantize(8), Quantize(8)]
    assert quantize_activations(given, [32, 32]) == given
