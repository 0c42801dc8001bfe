"""Which layers share channels, derived from the nodes that join them, and the sorting of channels by importance.

Channels are those that `search_spaces.channels` couples, of which only groups can be sorted that have whole axes. After
sorting, a subnet that takes the first channels of a layer takes the most important ones (Cai et al.,
"Once-for-All", ICLR 2020, section 3.3). Independent of any family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.dataflow import IMAGES
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.products import Multiply


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
    channels = CoupledChannels.from_graph(_to_graph(nodes, layers))
    gating = _find_gating(nodes, layers, channels)
    groups = []
    for number, group in enumerate(channels.groups):
        if not all(_is_whole(channels, number, tensor, axis) for (tensor, axis), _ in group.places):
            continue
        named = [(tensor.rpartition(".")[0], axis) for (tensor, axis), _ in group.places if tensor.endswith(".weight")]
        producers, readers = (tuple(name for name, axis in named if axis == side) for side in (0, 1))
        scoring = tuple(name for name in readers if name not in gating)
        groups.append(ChannelGroup(producers, readers, scoring or readers))
    return groups


def _to_graph(nodes: Sequence[Node], layers: Mapping[str, LayerSpec]) -> NetworkGraph:
    """The graph of a network: what genes put into slots in place of the slots. Norms compute channels one by one."""
    made = []
    for node in nodes:
        layer = layers.get(node.name)
        operator = node.operator if layer is None else layer.operator
        made.append(
            Node(node.name, operator, node.inputs, tuple(f"{node.name}.{role}" for role in operator.parameter_shapes))
        )
    return NetworkGraph(((IMAGES, layers[nodes[0].name].input_shape),), tuple(made), (nodes[-1].name,))


def _is_whole(channels: CoupledChannels, number: int, tensor: str, axis: int) -> bool:
    """Whether a group has a whole axis of a tensor, each channel once and in their order: else it cannot be sorted."""
    group = channels.groups[number]
    return np.array_equal(channels.tensors[tensor][axis], np.arange(group.first, group.first + group.size))


def _find_gating(nodes: Sequence[Node], layers: Mapping[str, LayerSpec], channels: CoupledChannels) -> set[str]:
    """Names of the layers that read channels only to compute a factor of the same channels.

    They are found from each gate back to the first layers that read its channels.
    """
    by_name = {node.name: node for node in nodes}
    gating = set()
    for gate in nodes:
        if not isinstance(gate.operator, Multiply):
            continue
        pending, gated = [gate.inputs[1]], channels.values[gate.inputs[0]][0]
        while pending and (node := by_name.get(pending.pop())) is not None:
            if node.name in layers and np.array_equal(channels.values[node.inputs[0]][0], gated):
                gating.add(node.name)
            elif node.name != gate.inputs[0]:
                pending += node.inputs
    return gating


def _layer(network: nn.Module, name: str) -> Layer:
    layer = network.get_submodule(name)
    assert isinstance(layer, Layer)
    return layer
