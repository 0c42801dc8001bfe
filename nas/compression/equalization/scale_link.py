"""Where a network can be rescaled: channels of one node, and all layers that read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.equalization.channel_flow import ChannelAxis, pass_scales
from nas.compression.repair.repair import count_uses
from search_spaces.elastic.weight_steps import to_output_first, to_stored_layout
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.pointwise import BatchNorm, GroupNorm, LayerNorm, RmsNorm
from search_spaces.operators.weighted import Convolution, Linear


@dataclass(frozen=True, slots=True)
class ScaleLink:
    """Channels that a node yields and layers read, with nothing on the way that a positive scale does not pass.

    Dividing the channels by scales, and multiplying by them what the layers read them with, changes nothing else.

    Attributes:
        source: A layer, or a normalisation with a factor for each channel.
        channels: Number of its channels.
        readers: The layers, each with the number of neighbouring inputs that are of one channel: input i of such a
            layer is of channel i // repeat % channels.
    """

    source: Node
    channels: int
    readers: tuple[tuple[Node, int], ...]

    def rescale(self, parameters: Mapping[str, Tensor], scales: Tensor) -> dict[str, Tensor]:
        """All tensors of the network after the channels were divided by scales.

        Args:
            parameters: All tensors, by name; they are not changed.
            scales: Positive, shape (channels,).
        """
        changed: dict[str, Tensor] = {}
        for name in _scaling_tensors(self.source):
            tensor = parameters[name].detach()
            weight = to_output_first(tensor, self.source.operator) if name == self.source.weight else tensor
            divided = weight / scales.to(tensor).view(-1, *[1] * (weight.dim() - 1))
            changed[name] = to_stored_layout(divided, self.source.operator) if name == self.source.weight else divided
        for node, repeat in self.readers:
            weight = to_output_first(parameters[node.parameters[0]].detach(), node.operator)
            changed[node.parameters[0]] = to_stored_layout(
                weight * self.spread(scales, node, repeat).to(weight), node.operator
            )
        kept = {name: tensor.requires_grad_(parameters[name].requires_grad) for name, tensor in changed.items()}
        return {**parameters, **kept}

    def spread(self, scales: Tensor, node: Node, repeat: int) -> Tensor:
        """The scales of what a reader reads, in a shape that multiplies its weight, output channels first.

        Args:
            scales: Shape (channels,).
            node: The reader.
            repeat: As in `readers`.
        """
        operator = node.operator
        assert isinstance(operator, Convolution | Linear)
        inputs = operator.in_channels if isinstance(operator, Convolution) else operator.in_features
        groups, kernel = (operator.groups, len(operator.kernel)) if isinstance(operator, Convolution) else (1, 0)
        outputs = operator.out_channels if isinstance(operator, Convolution) else operator.out_features
        each = scales[torch.arange(inputs, device=scales.device) // repeat % self.channels].view(groups, 1, -1)
        return each.expand(-1, outputs // groups, -1).reshape(outputs, -1, *[1] * kernel)

    def gather(self, values: Tensor, repeat: int) -> Tensor:
        """Values of the inputs of a reader by channel, shape (channels, ...).

        Args:
            values: Shape (inputs,).
            repeat: As in `readers`.
        """
        return values.view(-1, self.channels, repeat).transpose(0, 1).flatten(1)


def find_links(graph: NetworkGraph) -> list[ScaleLink]:
    """All places where a network can be rescaled, in execution order.

    Tensors that several nodes use are left alone, and so is what an operator reads that is not known to pass scales.
    """
    uses = count_uses(graph)
    links = []
    for index, node in enumerate(graph.nodes):
        names = _scaling_tensors(node)
        link = _follow(graph, index) if names and all(uses[name] == 1 for name in names) else None
        if link is not None and all(uses[reader.parameters[0]] == 1 for reader, _ in link.readers):
            links.append(link)
    return links


def _scaling_tensors(node: Node) -> tuple[str, ...]:
    """The tensors of a node that its output is proportional to, channel by channel; none if it is not."""
    match node.operator:
        case Convolution() | Linear():
            return node.parameters
        case BatchNorm(affine=True) | GroupNorm(affine=True):
            return node.parameters[:2]
        case LayerNorm(scale=True, shape=(_,)) | RmsNorm(scale=True, shape=(_,)):
            return node.parameters
    return ()


def _channel_axis(node: Node) -> ChannelAxis:
    """Where a source has its channels, and a reader those that it reads."""
    match node.operator:
        case Convolution(kernel=kernel):
            return ChannelAxis(-len(kernel) - 1)
        case BatchNorm(axes=axes) | GroupNorm(axes=axes):
            return ChannelAxis(-axes - 1)
    return ChannelAxis(-1)


def _follow(graph: NetworkGraph, index: int) -> ScaleLink | None:
    """The link that starts at a node; None if its scales would reach anything but layers."""
    source = graph.nodes[index]
    scaled, readers = {source.name: _channel_axis(source)}, []
    for node in graph.nodes[index + 1 :]:
        places = [scaled.get(name) for name in node.inputs]
        found = next((place for place in places if place is not None), None)
        if found is None:
            continue
        if isinstance(node.operator, Convolution | Linear):
            if found.axis != _channel_axis(node).axis:
                return None
            readers.append((node, found.repeat))
            continue
        shapes = [graph.shapes[name] for name in node.inputs]
        passed = pass_scales(node.operator, places, shapes, graph.shapes[node.name])
        if passed is None:
            return None
        scaled[node.name] = passed
    if not readers or not scaled.keys().isdisjoint(graph.outputs):
        return None
    return ScaleLink(source, graph.shapes[source.name][scaled[source.name].axis], tuple(readers))
