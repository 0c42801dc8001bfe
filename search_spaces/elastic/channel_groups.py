"""Which layers share channels, derived from the nodes that join them, and the sorting of channels by importance.

The input and the output of an operator have the same channels if it computes every channel of its output from that of
its input alone: additions, gates, activations, pooling and depthwise convolutions do. Union-find over the values yields
the groups. After sorting, a subnet that takes the first channels of a layer takes the most important ones (Cai et al.,
"Once-for-All", ICLR 2020, section 3.3). Independent of any family.
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

_KEEPING = (Activation, Add, Flatten, GlobalPool, Multiply, Pool)  # operators that compute channels one by one


@dataclass(frozen=True)
class ChannelGroup:
    """Layers whose channels must be reordered together.

    Attributes:
        producers: Names of the layers whose outputs have these channels, depthwise layers among them.
        consumers: Names of the layers that read these channels, without depthwise layers.
        scored_by: Names of the consumers by whose weights the importance of a channel is computed.
    """

    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    scored_by: tuple[str, ...]


@torch.no_grad()
def sort_channels(network: nn.Module, group: ChannelGroup, trained_widths: Sequence[int] = ()) -> None:
    """Reorders the channels of a group by falling importance; the network's function stays the same.

    The importance of a channel is the L1 norm of the weights that read it.

    Args:
        network: The network that contains the layers of the group.
        group: The layers.
        trained_widths: Rising numbers of channels. The functions of subnets with so many channels stay the same too, as
            channels are reordered only between one of these widths and the next.
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

    The importance of channels follows from the weights of the layers that read them. Layers that only compute a factor
    of the same channels, as squeeze-and-excite does, do not count: they read means over all pixels. Groups that contain
    the input or the output of the network, or a value of an operator that is not known to compute channels one by one,
    have a fixed order and are left out.

    Args:
        nodes: Nodes of the largest network.
        layers: Layers of the largest network, by name.
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
        keeping: Names of the depthwise layers, whose outputs have the channels that they read.
        gating: Names of the layers that read channels only to compute a factor of the same channels.
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
        """The representative of all values that have the same channels as one value."""
        while self._parent[value] != value:
            value = self._parent[value]
        return value

    def find_free_roots(self) -> list[str]:
        """The representatives of the sets of values whose channels may be reordered."""
        fixed = {self.find_root(value) for value in self._fixed}
        return [value for value in dict.fromkeys(map(self.find_root, self._parent)) if value not in fixed]

    def _join(self, node: Node, shapes: Mapping[str, Shape]) -> None:
        """Merges the inputs and the output of a node without weights, or fixes the order of their channels."""
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
        """Finds the layers of `gating`: from each gate back to the first layers that read its channels."""
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
