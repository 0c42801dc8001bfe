"""Channels by hand; that any of them can be removed from networks that run is tested where networks are narrowed."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.channels.coupled_channels import FIXED, CoupledChannels
from search_spaces.channels.registry import CHANNEL_RULES
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import GlobalPool, Pad, Slice
from search_spaces.operators.operator import Shape
from search_spaces.operators.products import Add, Attention, Concatenate
from search_spaces.operators.registry import OPERATORS
from search_spaces.operators.weighted import Convolution, Linear


def graph_of(*nodes: Node, shape: Shape = (3, 4, 4)) -> NetworkGraph:
    return NetworkGraph((("x", shape),), nodes, (nodes[-1].name,))


def conv(name: str, read: str, inputs: int, outputs: int, groups: int = 1) -> Node:
    return Node(name, Convolution.square(inputs, outputs, 3, 1, groups), (read,), (f"{name}.weight",))


def sizes(graph: NetworkGraph) -> dict[str, int]:
    return {group.name: group.size for group in CoupledChannels.from_graph(graph).groups}


def test_every_operator_is_followed_but_those_that_nobody_understands() -> None:
    assert {*OPERATORS} - {*CHANNEL_RULES} == {"opaque", "item"}


def test_what_a_given_network_reads_returns_or_keeps_to_itself_stays(given_graph: NetworkGraph) -> None:
    """An opaque node meets all channels of this graph, some by a layer that is called twice."""
    channels = CoupledChannels.from_graph(given_graph)
    assert channels.groups == ()
    assert channels.narrow(channels.keep_all()) == given_graph


def test_a_shortcut_with_fewer_channels_parts_those_of_the_sum() -> None:
    graph = graph_of(
        conv("first", "x", 3, 4),
        conv("second", "first", 4, 8),
        Node("padded", Pad(((1, 3), (0, 0), (0, 0))), ("first",)),
        Node("sum", Add(), ("second", "padded")),
        Node("pooled", GlobalPool(), ("sum",)),
        Node("head", Linear(8, 2), ("pooled",), ("head.weight",)),
    )
    channels = CoupledChannels.from_graph(graph)
    assert sizes(graph) == {"first": 4, "second": 4}
    assert channels.values["sum"][0].tolist() == [4, 0, 1, 2, 3, 5, 6, 7]
    assert channels.groups[0].places == (
        (("first.weight", 0), 1),
        (("second.weight", 0), 1),
        (("second.weight", 1), 1),
        (("head.weight", 1), 1),
    )
    kept = np.array([True, False, True, False, False, True, True, False])
    narrow = channels.narrow(kept)
    assert narrow.nodes[2].operator == Pad(((0, 2), (0, 0), (0, 0)))
    assert narrow.shapes == {"x": (3, 4, 4)} | dict.fromkeys(("second", "padded", "sum"), (4, 4, 4)) | {
        "first": (2, 4, 4), "pooled": (4,), "head": (2,)
    }  # fmt: skip
    assert narrow.parameter_shapes == {
        "first.weight": (2, 3, 3, 3), "second.weight": (4, 2, 3, 3), "head.weight": (2, 4)
    }  # fmt: skip


def test_groups_of_a_convolution_stay_equally_wide_and_depthwise_ones_go_with_their_channel() -> None:
    graph = graph_of(
        conv("stem", "x", 3, 6),
        conv("grouped", "stem", 6, 4, groups=2),
        conv("depthwise", "grouped", 4, 8, groups=4),
        conv("last", "depthwise", 8, 2),
    )
    channels = CoupledChannels.from_graph(graph)
    assert sizes(graph) == {"stem": 3, "grouped": 2}
    assert channels.values["depthwise"][0].tolist() == [3, 3, 4, 4, 3, 3, 4, 4]
    narrow = channels.narrow(np.array([True, False, True, False, True]))
    assert [node.operator.groups for node in narrow.nodes if isinstance(node.operator, Convolution)] == [1, 2, 2, 1]
    assert narrow.shapes["depthwise"] == (4, 4, 4)


def test_heads_that_share_a_key_head_go_with_it_and_widths_stay() -> None:
    def project(name: str, heads: int) -> Node:
        return Node(name, Convolution.square(3, heads), ("x",), (f"{name}.weight",))

    graph = graph_of(
        project("q", 4),
        project("k", 2),
        project("v", 2),
        Node("attention", Attention(), ("q", "k", "v")),
        conv("last", "attention", 4, 2),
    )
    channels = CoupledChannels.from_graph(graph)
    assert sizes(graph) == {"q": 2}
    assert channels.values["q"][0].tolist() == [0, 0, 1, 1]
    assert channels.values["k"][0].tolist() == [0, 1]


def test_parts_of_a_value_keep_the_channels_that_only_they_have() -> None:
    graph = graph_of(
        conv("stem", "x", 3, 6),
        Node("left", Slice(-3, 0, 2), ("stem",)),
        Node("right", Slice(-3, 2, 6), ("stem",)),
        Node("mixed", Concatenate(-3), ("right", "x", "left")),
        conv("last", "mixed", 9, 2),
    )
    channels = CoupledChannels.from_graph(graph)
    assert [group.size for group in channels.groups] == [2, 4]
    assert (channels.values["mixed"][0] == FIXED).tolist() == [False] * 4 + [True] * 3 + [False] * 2
    narrow = channels.narrow(np.array([True, False, True, True, False, False]))
    assert narrow.nodes[1].operator == Slice(-3, 0, 1)
    assert narrow.nodes[2].operator == Slice(-3, 1, 3)


def test_a_choice_that_leaves_nothing_of_a_group_is_refused() -> None:
    graph = graph_of(conv("stem", "x", 3, 4), conv("last", "stem", 4, 2))
    channels = CoupledChannels.from_graph(graph)
    with pytest.raises(ValueError, match=r"of each of 1 groups one or more of 4 channels must be kept, .* 0 kept"):
        channels.narrow(np.zeros(4, bool))
    with pytest.raises(ValueError, match=r"got a choice of shape \(3,\)"):
        channels.narrow(np.ones(3, bool))
