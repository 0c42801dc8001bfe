"""Padding with zeros before convolutions as an attribute of theirs, as every runtime has it."""

from __future__ import annotations

from dataclasses import replace

from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import Pad
from search_spaces.operators.weighted import Convolution


def fold_padding(graph: NetworkGraph) -> NetworkGraph:
    """A graph in which a padding with zeros that only convolutions read is a part of these."""
    folded = {
        node.name: (node.inputs[0], node.operator.padding)
        for node in graph.nodes
        if isinstance(node.operator, Pad)
        and node.name not in graph.outputs
        and all(_takes(reader, node.operator) for reader in graph.readers[node.name])
    }
    nodes = (
        _with_padding(node, *folded.get(node.inputs[0], (None, ()))) if node.inputs else node for node in graph.nodes
    )
    return replace(graph, nodes=tuple(node for node in nodes if node.name not in folded))


def _takes(reader: Node, pad: Pad) -> bool:
    """Whether a node can pad its input itself."""
    operator = reader.operator
    axes = len(operator.kernel) if isinstance(operator, Convolution) and not operator.transposed else 0
    return axes == len(pad.padding) and pad.value == 0 and min(map(min, pad.padding)) >= 0


def _padded(node: Node, source: str | None, added: tuple[tuple[int, int], ...]) -> Node:
    """A node that reads the source of a padding and pads it so; the node itself where there is no padding."""
    if source is None or not isinstance(node.operator, Convolution):
        return node
    own = node.operator.padding
    both = tuple((a + c, b + d) for (a, b), (c, d) in zip(own, added, strict=True))
    return replace(node, operator=replace(node.operator, padding=both), inputs=(source,))
