"""Makes padding with zeros an attribute of the convolutions that follow it."""

from __future__ import annotations

from dataclasses import replace

from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import Pad
from search_spaces.operators.weighted import Convolution


def fold_padding(graph: NetworkGraph) -> NetworkGraph:
    """A graph in which a padding with zeros that only convolutions read is an attribute of these convolutions."""
    folded = {
        node.name: (node.inputs[0], node.operator.padding)
        for node in graph.nodes
        if isinstance(node.operator, Pad)
        and node.name not in graph.outputs
        and all(_takes(reader, node.operator) for reader in graph.readers[node.name])
    }
    kept = [node for node in graph.nodes if node.name not in folded]
    nodes = (_padded(node, *folded[node.inputs[0]]) if folded.keys() & node.inputs else node for node in kept)
    return replace(graph, nodes=tuple(nodes))


def _takes(reader: Node, pad: Pad) -> bool:
    """Whether a node is a convolution that can do a padding itself: with zeros, along its axes, and not transposed."""
    operator = reader.operator
    axes = len(operator.kernel) if isinstance(operator, Convolution) and not operator.transposed else 0
    return axes == len(pad.padding) and pad.value == 0 and min(map(min, pad.padding)) >= 0


def _padded(node: Node, source: str, added: tuple[tuple[int, int], ...]) -> Node:
    """A convolution that reads the input of a padding, and adds the padding to its own."""
    assert isinstance(node.operator, Convolution)
    own = node.operator.padding
    both = tuple((a + c, b + d) for (a, b), (c, d) in zip(own, added, strict=True))
    return replace(node, operator=replace(node.operator, padding=both), inputs=(source,))
