"""Axes are paired as far as they hold the same elements, and heads are found where an attention reads them."""

from __future__ import annotations

from search_spaces.channels.reshape_rule import find_head_axis, pair_axes
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import Reshape, Transpose
from search_spaces.operators.products import Attention, MatrixProduct


def test_axes_are_paired_in_the_smallest_pieces() -> None:
    assert [*pair_axes((4, 6, 5), (4, 2, 3, 5))] == [([0], [0]), ([1], [1, 2]), ([2], [3])]
    assert [*pair_axes((8, 1, 4, 4), (8, 16))] == [([0], [0]), ([2, 3], [1])]
    assert [*pair_axes((4, 6), (3, 8))] == [([0, 1], [0, 1])]


def test_heads_are_the_axis_that_an_attention_reads_as_such() -> None:
    def graph(*last: Node) -> NetworkGraph:
        parted = Node("parted", Reshape((16, 4, 2)), ("x",))
        return NetworkGraph(
            (("x", (16, 8)),), (parted, Node("heads", Transpose((-2, -3, -1)), ("parted",)), *last), ("y",)
        )

    assert find_head_axis(graph(Node("y", Attention(), ("heads",) * 3)), "parted", [1, 2]) == 1
    turned = Node("turned", Transpose((-3, -1, -2)), ("heads",))
    product = Node("y", MatrixProduct(), ("heads", "turned"))
    assert find_head_axis(graph(turned, product), "parted", [1, 2]) == 1
    assert find_head_axis(graph(Node("y", Reshape((128,)), ("heads",))), "parted", [1, 2]) is None
