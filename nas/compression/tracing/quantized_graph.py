"""Adds to a graph the nodes that round activations under a policy.

Activations are rounded where `search_spaces.elastic.layer.Layer` rounds them: the input of a layer, unless it is
rounded to the same bits already; and the output, after a ReLU, which devices absorb into the layer, or before any other
activation function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import Flatten, Pool, Reshape, Slice, Transpose
from search_spaces.operators.opaque import Item, Opaque
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.weighted import Embedding

_REARRANGING = (
    "expand",
    "permute",
    "reshape",
    "roll",
    "select",
    "slice",
    "squeeze",
    "transpose",
    "unbind",
    "unsqueeze",
)


@dataclass(frozen=True, slots=True)
class Quantize(Operator):
    """Rounds an activation to unsigned codes over a calibrated range; an `ActivationQuantizer` runs it.

    Attributes:
        bits: Bits of a code.
    """

    name: ClassVar[str] = "quantize"
    bits: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of the input."""
        return inputs[0]


def quantize_activations(graph: NetworkGraph, bits: Sequence[int]) -> NetworkGraph:
    """A graph with nodes that round activations.

    Args:
        graph: A graph at full precision.
        bits: Bits of the activations of each of `graph.layers`; 32 does not round.
    """
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for layer, layer_bits in zip(graph.layers, bits, strict=True):
        for unit in layer.units:
            if layer_bits != FULL_PRECISION_BITS and not isinstance(unit.call.operator, Embedding):
                inputs[unit.call.name] = layer_bits
                outputs[unit.rescaled.name] = layer_bits
    rewriter = _Rewriter(inputs, outputs)
    for node in graph.nodes:
        rewriter.add(node)
    names = tuple(rewriter.value.get(name, name) for name in graph.outputs)
    return replace(graph, nodes=tuple(rewriter.nodes.values()), outputs=names)


def find_quantize_nodes(graph: NetworkGraph) -> dict[str, int]:
    """The bits of every node that rounds, by name of the node."""
    return {node.name: node.operator.bits for node in graph.nodes if isinstance(node.operator, Quantize)}


def find_rounding(nodes: Mapping[str, Node], value: str) -> Node | None:
    """The node that rounded a value, if it was only rearranged since; None if it was not rounded.

    Args:
        nodes: Nodes by name, of a graph with nodes that round.
        value: Name of the value.
    """
    node = nodes.get(value)
    while node is not None and _keeps_values(node.operator):
        node = nodes.get(node.inputs[0])
    return node if node is not None and isinstance(node.operator, Quantize) else None


class _Rewriter:
    """Copies nodes and adds those that round.

    Args:
        inputs: Bits at which a node reads its first input, by name of the node.
        outputs: Bits of the value of a node, by name of the node.
    """

    def __init__(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
        self._inputs, self._outputs = inputs, outputs
        self.nodes: dict[str, Node] = {}
        self.value: dict[str, str] = {}  # names of rounded values, by names of the values that they replace

    def add(self, node: Node) -> None:
        """Copies a node, and adds the nodes that round its input and its output."""
        inputs = [self.value.get(name, name) for name in node.inputs]
        if node.name in self._inputs:
            inputs[0] = self._rounded(inputs[0], self._inputs[node.name])
        self.nodes[node.name] = replace(node, inputs=tuple(inputs))
        if node.name in self._outputs:
            self.value[node.name] = self._rounded(node.name, self._outputs[node.name])

    def _rounded(self, value: str, bits: int) -> str:
        """The name of a value rounded to some bits: its own if it is so already, else that of a shared node."""
        if self._bits(value) == bits:
            return value
        name = f"{value} at {bits} bits"
        if name not in self.nodes:
            self.nodes[name] = Node(name, Quantize(bits), (value,))
        return name

    def _bits(self, value: str) -> int | None:
        """The bits that a value was rounded to, if it was only rearranged since; None if it was not rounded."""
        node = find_rounding(self.nodes, value)
        return node.operator.bits if node is not None and isinstance(node.operator, Quantize) else None


def _keeps_values(operator: Operator) -> bool:
    """Whether every output value of an operator is one of its input values."""
    if isinstance(operator, Opaque):
        return operator.target.split(".")[1] in _REARRANGING
    if isinstance(operator, Pool):
        return operator.kind == "max"
    return isinstance(operator, Reshape | Flatten | Transpose | Slice | Item)
