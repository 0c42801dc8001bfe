"""The one network that a user brings, as a space: every weight has a policy, and groups of channels may have widths.

A given network is one more family, whose shapes come from a graph instead of choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod

from search_spaces.candidate import Architecture, ChannelBlock
from search_spaces.channels.rule import KeptElements
from search_spaces.choices import NonLayerCosts, NonLayerSlot, Value
from search_spaces.dataflow import Slot
from search_spaces.families.given_widths import ChannelWidths, GroupWidths
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
    """A space of one network, with a slot for each weight of its graph, and of what it is with fewer channels.

    Args:
        name: Name of the space, and so of the network in candidates.
        graph: The network.
        stored: Sizes of its tensors, by the names that the nodes use.
        widths: For each group of its channels (`CoupledChannels.from_graph`) the numbers of channels that may be kept,
            rising to all of them; empty if all channels stay, so that there is one architecture.

    Raises:
        ValueError: If the network has no weight that a policy could compress, or the widths are not those of its
            groups (`ChannelWidths`).
    """

    def __init__(
        self, name: str, graph: NetworkGraph, stored: Mapping[str, StoredTensor], widths: GroupWidths = ()
    ) -> None:
        if not graph.layers:
            raise ValueError(f"a network must have a convolution, linear layer or embedding, got none in {name!r}")
        self.graph, self.widths = graph, ChannelWidths(graph, widths) if widths else None
        self.inputs: dict[str, Shape | None] = dict(graph.inputs)
        self._side = _image_side(graph)
        nodes = tuple(_dataflow(graph))
        others = [node for node in nodes if not isinstance(node.operator, Slot)]
        slots = []
        for layer in graph.layers:
            genes = self.widths.find_layer_genes(layer) if self.widths else ()
            slots.append(LayerSlot(layer.name, genes, partial(self._make_layer, layer, genes)))
        self.non_layer_costs, self.non_layer_slots = NonLayerCosts(), []
        for genes, parts in _group_non_layers(graph, stored, self.widths).items():
            slot = NonLayerSlot(genes, partial(self._sum_non_layers, parts, genes))
            if genes:
                self.non_layer_slots.append(slot)
            else:
                self.non_layer_costs = slot.costs(())
        self.operator_slots = self.widths.find_operator_slots(others) if self.widths else {}
        super().__init__(name, self.widths.choices if self.widths else [], slots, nodes)

    def decode(self, genes: Genes) -> Architecture:
        """The network with the widths of one gene vector of shape (d,)."""
        if self.widths is None:
            return Architecture(self.name, self._side, ())
        widths = {name.removesuffix(".width"): int(value) for name, value in self.decode_values(genes).items()}
        return Architecture(self.name, self._side, (tuple(ChannelBlock(*one) for one in widths.items()),))

    def encode(self, architecture: Architecture) -> Genes:
        """The gene vector, shape (d,): a width for each group.

        Raises:
            ValueError: If the architecture is not that of the given network, or has widths that are none of its.
        """
        self.check(architecture)
        blocks = [block for stage in architecture.stages for block in stage]
        if len(blocks) != len(self.choices) or not all(isinstance(block, ChannelBlock) for block in blocks):
            known = "the network with all channels" if self.widths is None else f"{len(self.choices)} widths of it"
            raise ValueError(f"an architecture of space {self.name!r} is {known}, got {architecture}")
        widths = {f"{block.group}.width": block.width for block in blocks if isinstance(block, ChannelBlock)}
        return self.encode_values(widths, architecture)

    def keep(self, architecture: Architecture) -> KeptElements | None:
        """The channels that an architecture keeps, the first of each group, shape (channels,); None if it keeps all.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        values = self.decode_values(self.encode_once(architecture))
        kept = None if self.widths is None else self.widths.keep([*values], [*values.values()])
        return None if kept is None or kept.all() else kept

    def _make_layer(self, layer: WeightedLayer, genes: tuple[str, ...], widths: Sequence[Value]) -> LayerSpec:
        """A layer with all of its calls, at some widths."""
        first, *further = (self._call(layer.name, unit, genes, widths) for unit in layer.units)
        return replace(first, further_calls=tuple(further))

    def _call(self, name: str, unit: Unit, genes: tuple[str, ...], widths: Sequence[Value]) -> LayerSpec:
        """One call of a layer, with the normalisation and activation that are fused with it."""
        activation = None if unit.activation is None else unit.activation.operator
        assert activation is None or isinstance(activation, Activation)
        call, shape = unit.call.operator, self.graph.shapes[unit.call.inputs[0]]
        if self.widths is not None:
            call, (shape, *_) = self.widths.channels.narrow_node(unit.call, self.widths.keep(genes, widths))
        return LayerSpec(name, call, shape, unit.norm is not None, activation)

    def _sum_non_layers(self, parts: _Parts, genes: tuple[str, ...], widths: Sequence[Value]) -> NonLayerCosts:
        """What tensors and nodes cost at some widths."""
        trained = size = macs = 0
        kept = None if self.widths is None else self.widths.keep(genes, widths)
        for name, stored in parts.tensors:
            whole = left = prod(self.graph.parameter_shapes[name])
            if self.widths is not None and kept is not None:
                left = prod(self.widths.channels.shape_tensor(name, kept))
            trained, size = trained + stored.trained * left // whole, size + stored.bytes * left // whole
        for node in parts.nodes:
            operator, shapes = node.operator, tuple(self.graph.shapes[name] for name in node.inputs)
            if self.widths is not None and kept is not None:
                operator, shapes = self.widths.channels.narrow_node(node, kept)
            macs += operator.macs(*shapes)
        return NonLayerCosts(trained, size, macs)


@dataclass(frozen=True)
class _Parts:
    """Stored tensors by name, and nodes with operations, that no layer counts."""

    tensors: list[tuple[str, StoredTensor]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


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


def _group_non_layers(
    graph: NetworkGraph, stored: Mapping[str, StoredTensor], widths: ChannelWidths | None
) -> Mapping[tuple[str, ...], _Parts]:
    """What no layer counts, by the choices that decide it.

    A layer counts the parameters of its first call and of the normalisation that is fused with it. The statistics of
    normalisations are not counted at all, as an export folds them into weights.
    """
    first = [node for layer in graph.layers for node in (layer.units[0].call, layer.units[0].norm) if node is not None]
    counted = {name for node in first for name in node.parameters}
    counted |= {
        name
        for node in graph.nodes
        for name, role in zip(node.parameters, node.operator.parameter_shapes, strict=True)
        if role in STATISTICS
    }
    parts: dict[tuple[str, ...], _Parts] = {}
    for name in graph.parameter_shapes:
        if name not in counted:
            genes = widths.find_tensor_genes(name) if widths else ()
            parts.setdefault(genes, _Parts()).tensors.append((name, stored[name]))
    for node in graph.nodes:
        if node.weight is None and node.operator.macs(*(graph.shapes[one] for one in node.inputs)):
            genes = widths.find_genes(node) if widths else ()
            parts.setdefault(genes, _Parts()).nodes.append(node)
    return parts


def _image_side(graph: NetworkGraph) -> int:
    """Height and width in pixels if square images are the only input; else 0."""
    shapes = [shape for _, shape in graph.inputs]
    return shapes[0][-1] if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][1] == shapes[0][2] else 0
