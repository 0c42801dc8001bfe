"""Which layers share channels, derived from how they are joined, and their sorting by importance.

Two values have the same channels where an operator reads and gives them one by one: additions, gates, activations,
pooling and depthwise convolutions. Union-find over the values gives the groups; independent of any family. Sorted
channels let the first ones of a layer be its best (Cai et al., "Once-for-All", ICLR 2020, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from search_spaces.dataflow import IMAGES, Slot
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.arrangement import Flatten, GlobalPool, Pool
from search_spaces.operators.operator import Shape
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.products import Add, Multiply
from search_spaces.operators.weighted import Convolution

_KEEPING = (Activation, Add, Flatten, GlobalPool, Multiply, Pool)


@dataclass(frozen=True)
class ChannelGroup:
    """Layers whose channels must be reordered together.

    Attributes:
        producers: Names of the layers whose outputs are these channels (a depthwise layer is one).
        consumers: Names of the layers that read them.
        scored_by: The consumers whose weights give the importance.
    """

    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    scored_by: tuple[str, ...]


@torch.no_grad()
def sort_channels(network: nn.Module, group: ChannelGroup, trained_widths: Sequence[int] = ()) -> None:
    """Reorders the channels of a group by falling importance; the network's function stays the same.

    The importance of a channel is the L1 norm of the weights that read it.

    Args:
        network: Contains the layers of the group.
        group: The layers.
        trained_widths: Rising numbers of channels whose subnets must stay the same too: channels are reordered only
            between one of them and the next.
    """
    scores = [_layer(network, name).op.weight.abs().transpose(0, 1).flatten(1).sum(1) for name in group.scored_by]
    importance = torch.stack(scores).sum(0)
    borders = sorted({0, len(importance), *trained_widths})
    segments = [start + importance[start:end].argsort(descending=True, stable=True) for start, end in pairwise(borders)]
    order = torch.cat(segments)
    for name in group.producers:
        layer = _layer(network, name)
        for tensor in layer.state_dict(keep_vars=True).values():
            if tensor.dim() > 0:
                tensor.copy_(tensor[order])
    for name in group.consumers:
        weight: Tensor = _layer(network, name).op.weight
        weight.copy_(weight[:, order])


def find_channel_groups(nodes: Sequence[Node], layers: Mapping[str, LayerSpec]) -> list[ChannelGroup]:
    """The groups of layers whose channels may be reordered together without changing the network.

    The importance of channels follows from the weights of the layers that read them, but not of those that only compute
    a factor by which the same channels are multiplied: a squeeze sees means over all pixels. Groups that reach the
    input or the output of the network, or an operator that is not known to keep channels, have a fixed order and are
    left out.

    Args:
        nodes: Of the largest network.
        layers: Its layers by name.
    """
    channels = _Channels(nodes, layers)
    groups = []
    for root in channels.find_free_roots():
        members = [node for node in nodes if isinstance(node.operator, Slot)]
        producers = [node.name for node in members if channels.find_root(node.name) == root]
        readers = [
            n.name for n in members if channels.find_root(n.inputs[0]) == root and n.name not in channels.keeping
        ]
        scoring = [name for name in readers if name not in channels.gating]
        groups.append(ChannelGroup(tuple(producers), tuple(readers), tuple(scoring or readers)))
    return groups


class _Channels:
    """The values of a network, merged where they have the same channels.

    Attributes:
        keeping: Layers that give the channels that they read, one by one.
        gating: Layers that read channels only to compute a factor for the same channels.
    """

    def __init__(self, nodes: Sequence[Node], layers: Mapping[str, LayerSpec]) -> None:
        self._parent = {name: name for name in (IMAGES, *(node.name for node in nodes))}
        self._fixed = {IMAGES, nodes[-1].name}
        self.gating: set[str] = set()
        self.keeping: set[str] = set()
        shapes: dict[str, Shape] = {IMAGES: layers[nodes[0].name].input_shape}
        for node in nodes:
            layer = layers.get(node.name)
            if layer is None:
                shapes[node.name] = node.operator.output_shape(*(shapes[name] for name in node.inputs))
                self._join(node, shapes)
                continue
            shapes[node.name] = layer.output_shape
            if isinstance(layer.operator, Convolution) and layer.operator.is_depthwise:
                self._merge(node.name, node.inputs[0])
                self.keeping.add(node.name)
            elif isinstance(layer.operator, Convolution) and layer.operator.groups > 1:
                self._fixed |= {node.name, node.inputs[0]}
        self._find_gating(nodes, layers)

    def find_root(self, value: str) -> str:
        """The value that stands for all that have the same channels."""
        while self._parent[value] != value:
            value = self._parent[value]
        return value

    def find_free_roots(self) -> list[str]:
        """One value for each set of channels whose order is free."""
        fixed = {self.find_root(value) for value in self._fixed}
        return [value for value in dict.fromkeys(map(self.find_root, self._parent)) if value not in fixed]

    def _join(self, node: Node, shapes: Mapping[str, Shape]) -> None:
        """Merges what a node without weights reads and gives; an unknown one fixes their order."""
        values = (node.name, *node.inputs)
        flattens_pixels = isinstance(node.operator, Flatten) and shapes[node.inputs[0]][1:] != (1, 1)
        alike = len({shapes[value][0] for value in values}) == 1
        if not isinstance(node.operator, _KEEPING) or flattens_pixels or not alike:
            self._fixed.update(values)
            return
        for value in node.inputs:
            self._merge(node.name, value)

    def _merge(self, one: str, other: str) -> None:
        self._parent[self.find_root(one)] = self.find_root(other)

    def _find_gating(self, nodes: Sequence[Node], layers: Mapping[str, LayerSpec]) -> None:
        """Finds the layers that read channels only to compute a factor for the same channels."""
        by_name = {node.name: node for node in nodes}
        for gate in nodes:
            if not isinstance(gate.operator, Multiply):
                continue
            pending, first = [gate.inputs[1]], self.find_root(gate.inputs[0])
            while pending and (node := by_name.get(pending.pop())) is not None:
                if node.name in layers and self.find_root(node.inputs[0]) == first:
                    self.gating.add(node.name)
                elif node.name != gate.inputs[0]:
                    pending += node.inputs


def _layer(network: nn.Module, name: str) -> Layer:
    layer = network.get_submodule(name)
    assert isinstance(layer, Layer)
    return layer
