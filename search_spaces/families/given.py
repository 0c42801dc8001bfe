"""The one network that a user brings, as a space: every weight has a policy, channels and blocks may be left out.

A given network is one more family, whose shapes come from a graph instead of choices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod

from search_spaces.candidate import Architecture, ChannelBlock, KeptBlock
from search_spaces.channels.rule import KeptElements
from search_spaces.choices import NonLayerCosts, NonLayerSlot, Value
from search_spaces.dataflow import Slot
from search_spaces.families.given_blocks import KEPT, BlockChoices, is_there, list_blocks_beside_widths, list_choices
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
    """A space of one network, with a slot for each weight of its graph, and of what it is without channels or blocks.

    Args:
        name: Name of the space, and so of the network in candidates.
        graph: The network.
        stored: Sizes of its tensors, by the names that the nodes use.
        widths: For each group of its channels (`CoupledChannels.from_graph`) the numbers of channels that may be kept,
            rising to all of them; empty if all channels stay.
        blocks: Names of the blocks (`RemovableBlocks.from_graph`) that may be left out; with widths these must be among
            `given_blocks.list_blocks_beside_widths`.

    Raises:
        ValueError: If the network has no weight that a policy could compress, or the widths or blocks are not those of
            its groups (`ChannelWidths`) and of the graph.
    """

    def __init__(
        self,
        name: str,
        graph: NetworkGraph,
        stored: Mapping[str, StoredTensor],
        widths: GroupWidths = (),
        blocks: Collection[str] = (),
    ) -> None:
        if not graph.layers:
            raise ValueError(f"a network must have a convolution, linear layer or embedding, got none in {name!r}")
        if widths and (unfit := [block for block in blocks if block not in list_blocks_beside_widths(graph)]):
            raise ValueError(
                f"beside widths, blocks with the same channels at both ends are left out, got {unfit[0]!r}"
            )
        self.graph, self.widths = graph, ChannelWidths(graph, widths) if widths else None
        self.blocks = BlockChoices(graph, blocks) if blocks else None
        self.inputs: dict[str, Shape | None] = dict(graph.inputs)
        self._side = _image_side(graph)
        fused = _find_fused(graph)
        nodes = tuple(_dataflow(graph, fused))
        others = [node for node in nodes if not isinstance(node.operator, Slot)]
        slots = []
        for layer in graph.layers:
            within = self.blocks.find_genes(layer.units[0].call.name) if self.blocks else ()
            genes = self.widths.find_layer_genes(layer) if self.widths else ()
            slots.append(LayerSlot(layer.name, within + genes, partial(self._make_layer, layer, within, genes)))
        self.non_layer_costs, self.non_layer_slots = NonLayerCosts(), []
        for (within, genes), parts in self._group_non_layers(stored).items():
            slot = NonLayerSlot(within + genes, partial(self._sum_non_layers, parts, within, genes))
            if slot.genes:
                self.non_layer_slots.append(slot)
            else:
                self.non_layer_costs = slot.costs(())
        self.operator_slots = self.widths.find_operator_slots(others) if self.widths else {}
        presence = self.blocks.find_presence(nodes, fused) if self.blocks else None
        super().__init__(name, list_choices(self.blocks, self.widths), slots, nodes, presence)

    def decode(self, genes: Genes) -> Architecture:
        """The network with the blocks and widths of one gene vector of shape (d,)."""
        values, active = self.decode_values(genes), self.is_active(genes[None])[0]
        blocks, widths = list[KeptBlock](), list[ChannelBlock]()
        for (gene, value), there in zip(values.items(), active, strict=True):
            name, _, dimension = gene.rpartition(".")
            if dimension != KEPT and there:
                widths.append(ChannelBlock(name, int(value)))
            elif dimension == KEPT and value:
                blocks.append(KeptBlock(name))
        stages = [tuple(blocks)] if self.blocks else []
        return Architecture(self.name, self._side, (*stages, tuple(widths)) if self.widths else tuple(stages))

    def encode(self, architecture: Architecture) -> Genes:
        """The gene vector, shape (d,): whether each block is kept, and a width for each group.

        Raises:
            ValueError: If the architecture is not that of the given network, or has blocks or widths that it has not.
        """
        self.check(architecture)
        values: dict[str, Value] = {}
        for block in (block for stage in architecture.stages for block in stage):
            if isinstance(block, ChannelBlock):
                values[f"{block.group}.width"] = block.width
            elif isinstance(block, KeptBlock):
                values[f"{block.name}.{KEPT}"] = 1
            else:
                raise ValueError(f"an architecture of space {self.name!r} has no blocks like {block}")
        return self.encode_values(values, architecture)

    def keep(self, architecture: Architecture) -> KeptElements | None:
        """The channels that an architecture keeps, the first of each group, shape (channels,); None if it keeps all.

        Of groups within blocks that it leaves out it keeps all.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        self.encode_once(architecture)
        blocks = [block for stage in architecture.stages for block in stage if isinstance(block, ChannelBlock)]
        names, widths = [f"{block.group}.width" for block in blocks], [block.width for block in blocks]
        kept = None if self.widths is None else self.widths.keep(names, widths)
        return None if kept is None or kept.all() else kept

    def find_removed(self, architecture: Architecture) -> tuple[str, ...]:
        """Names of the blocks that an architecture leaves out.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        values = self.decode_values(self.encode_once(architecture))
        named = ((*gene.rpartition("."), value) for gene, value in values.items())
        return tuple(name for name, _, dimension, value in named if dimension == KEPT and not value)

    def _make_layer(
        self, layer: WeightedLayer, within: tuple[str, ...], genes: tuple[str, ...], values: Sequence[Value]
    ) -> LayerSpec | None:
        """A layer with all of its calls, at some widths; None without the block that has it."""
        if not is_there(within, values):
            return None
        widths = values[len(within) :]
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

    def _sum_non_layers(
        self, parts: _Parts, within: tuple[str, ...], genes: tuple[str, ...], values: Sequence[Value]
    ) -> NonLayerCosts:
        """What tensors and nodes cost at some widths; nothing without the blocks that have them."""
        if not is_there(within, values):
            return NonLayerCosts()
        trained, size, macs, widths = 0, 0, 0, values[len(within) :]
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

    def _group_non_layers(
        self, stored: Mapping[str, StoredTensor]
    ) -> Mapping[tuple[tuple[str, ...], tuple[str, ...]], _Parts]:
        """What no layer counts, by the choices of blocks and of widths that decide it.

        A layer counts the parameters of its first call and of the normalisation that is fused with it. The statistics
        of normalisations are not counted at all, as an export folds them into weights.
        """
        graph, blocks, widths = self.graph, self.blocks, self.widths
        units = [layer.units[0] for layer in graph.layers]
        first = [node for unit in units for node in (unit.call, unit.norm) if node is not None]
        counted = {name for node in first for name in node.parameters}
        counted |= {
            name
            for node in graph.nodes
            for name, role in zip(node.parameters, node.operator.parameter_shapes, strict=True)
            if role in STATISTICS
        }
        parts: dict[tuple[tuple[str, ...], tuple[str, ...]], _Parts] = {}
        for name in graph.parameter_shapes:
            if name not in counted:
                genes = widths.find_tensor_genes(name) if widths else ()
                within = blocks.find_tensor_genes(name) if blocks else ()
                parts.setdefault((within, genes), _Parts()).tensors.append((name, stored[name]))
        for node in graph.nodes:
            if node.weight is None and node.operator.macs(*(graph.shapes[one] for one in node.inputs)):
                genes = widths.find_genes(node) if widths else ()
                within = blocks.find_genes(node.name) if blocks else ()
                parts.setdefault((within, genes), _Parts()).nodes.append(node)
        return parts


@dataclass(frozen=True)
class _Parts:
    """Stored tensors by name, and nodes with operations, that no layer counts."""

    tensors: list[tuple[str, StoredTensor]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


def _find_fused(graph: NetworkGraph) -> Mapping[str, str]:
    """For every node that runs fused with a call of a layer, the call."""
    units = [unit for layer in graph.layers for unit in layer.units]
    return {node.name: unit.call.name for unit in units for node in (unit.norm, unit.activation) if node is not None}


def _dataflow(graph: NetworkGraph, fused: Mapping[str, str]) -> Iterator[Node]:
    """The nodes of a graph, in which each call of a layer and what runs fused with it are one slot."""
    slots = {unit.call.name: Slot(layer.name, call) for layer in graph.layers for call, unit in enumerate(layer.units)}
    for node in graph.nodes:
        inputs = tuple(fused.get(name, name) for name in node.inputs)
        if node.name in slots:
            yield Node(node.name, slots[node.name], inputs)
        elif node.name not in fused:
            yield Node(node.name, node.operator, inputs, node.parameters)


def _image_side(graph: NetworkGraph) -> int:
    """Height and width in pixels if square images are the only input; else 0."""
    shapes = [shape for _, shape in graph.inputs]
    return shapes[0][-1] if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][1] == shapes[0][2] else 0
