"""The one network that a user brings, as a space: its architecture is given, and every weight has a policy.

A given network is one more family, whose shapes come from a graph instead of choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from search_spaces.candidate import Architecture
from search_spaces.choices import NonLayerCosts, Value
from search_spaces.dataflow import Slot
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import NetworkGraph, Node, Unit, WeightedLayer
from search_spaces.operators.operator import STATISTICS, Shape
from search_spaces.operators.pointwise import Activation
from search_spaces.search_space import Genes, SearchSpace


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """The size of a stored tensor of a network.

    Attributes:
        bytes: Size in bytes.
        trained: Number of elements that are trained: all or none.
    """

    bytes: int
    trained: int


class GivenSpace(SearchSpace):
    """A space of one architecture, with a slot for each weight of a graph.

    Args:
        name: Name of the space, and so of the network in candidates.
        graph: The network.
        stored: Sizes of its tensors, by the names that the nodes use.

    Raises:
        ValueError: If the network has no weight that a policy could compress.
    """

    def __init__(self, name: str, graph: NetworkGraph, stored: Mapping[str, StoredTensor]) -> None:
        if not graph.layers:
            raise ValueError(f"a network must have a convolution, linear layer or embedding, got none in {name!r}")
        self.graph = graph
        self.inputs: dict[str, Shape | None] = dict(graph.inputs)
        layers = [_layer(graph, layer) for layer in graph.layers]
        self.non_layer_costs = _find_non_layer_costs(graph, layers, stored)
        self._architecture = Architecture(name, _image_side(graph), ())
        slots = [LayerSlot(layer.name, (), partial(_constant_layer, layer)) for layer in layers]
        super().__init__(name, [], slots, tuple(_dataflow(graph)))

    def decode(self, genes: Genes) -> Architecture:  # noqa: ARG002 there are none
        """The one architecture."""
        return self._architecture

    def encode(self, architecture: Architecture) -> Genes:
        """No genes, shape (0,).

        Raises:
            ValueError: If the architecture is not that of the given network.
        """
        self.check(architecture)
        if architecture != self._architecture:
            raise ValueError(f"space {self.name!r} holds {self._architecture} alone, got {architecture}")
        return np.zeros(0, dtype=np.int16)


def _constant_layer(layer: LayerSpec, _: Sequence[Value]) -> LayerSpec:
    """The function of a slot that always holds the same layer."""
    return layer


def _layer(graph: NetworkGraph, layer: WeightedLayer) -> LayerSpec:
    """A layer with all of its calls."""
    first, *further = (_call(graph, layer.name, unit) for unit in layer.units)
    return LayerSpec(layer.name, first.operator, first.input_shape, first.normalized, first.activation, tuple(further))


def _call(graph: NetworkGraph, name: str, unit: Unit) -> LayerSpec:
    """One call of a layer, with the normalisation and activation that are fused with it."""
    operator = None if unit.activation is None else unit.activation.operator
    assert operator is None or isinstance(operator, Activation)
    return LayerSpec(name, unit.call.operator, graph.shapes[unit.call.inputs[0]], unit.norm is not None, operator)


def _dataflow(graph: NetworkGraph) -> Iterator[Node]:
    """The nodes of a graph, in which each call of a layer and what runs fused with it are one slot."""
    slots: dict[str, Slot] = {}
    value: dict[str, str] = {}  # for every node that is fused with a call, the slot of that call
    for layer in graph.layers:
        for call, unit in enumerate(layer.units):
            slots[unit.call.name] = Slot(layer.name, call)
            value |= {node.name: unit.call.name for node in (unit.norm, unit.activation) if node is not None}
    for node in graph.nodes:
        inputs = tuple(value.get(name, name) for name in node.inputs)
        if node.name in slots:
            yield Node(node.name, slots[node.name], inputs)
        elif node.name not in value:
            yield Node(node.name, node.operator, inputs, node.parameters)


def _find_non_layer_costs(
    graph: NetworkGraph, layers: Sequence[LayerSpec], stored: Mapping[str, StoredTensor]
) -> NonLayerCosts:
    """The stored tensors and the MACs that no layer counts.

    A layer counts the parameters of its first call and of the normalisation that is fused with it. The statistics of
    normalisations are not counted at all, as an export folds them into weights.
    """
    first = [node for layer in graph.layers for node in (layer.units[0].call, layer.units[0].norm) if node is not None]
    counted = {name for node in first for name in node.parameters}
    folded = {
        name
        for node in graph.nodes
        for name, role in zip(node.parameters, node.operator.parameter_shapes, strict=True)
        if role in STATISTICS
    }
    others = [stored[name] for name in graph.parameter_shapes if name not in counted | folded]
    macs = graph.macs - sum(layer.macs for layer in layers)
    return NonLayerCosts(sum(one.trained for one in others), sum(one.bytes for one in others), macs)


def _image_side(graph: NetworkGraph) -> int:
    """Height and width in pixels if square images are the only input; else 0."""
    shapes = [shape for _, shape in graph.inputs]
    return shapes[0][-1] if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][1] == shapes[0][2] else 0
