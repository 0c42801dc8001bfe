"""Cross-layer equalisation: a channel has the same range of weights where it is made and where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nas.compression.equalization.equalization import Equalization
from nas.compression.equalization.scale_link import ScaleLink, find_links
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.network_graph import NetworkGraph, Node, Unit
from search_spaces.operators.pointwise import BatchNorm
from search_spaces.operators.weighted import Convolution, Linear


@dataclass(frozen=True)
class CrossLayerEqualization(Equalization):
    """Scales channels so that both layers have the same range in each (Nagel et al., ICCV 2019, section 4.1).

    It needs no data. Range 1 of a channel is the largest weight that makes it, with the batch normalisation that
    follows folded in; range 2 the largest weight that reads it. All pairs are equalised in turn until the scales hardly
    change. Weights of this program have a step for each output channel, so what is gained lies in the layer that reads,
    and in the activation between, whose channels share one step. ReLU6 is left as it is, which the paper replaces.

    Attributes:
        rounds: Largest number of times that all pairs are equalised.
        tolerance: Relative change of the largest scale at which it ends.

    Raises:
        ValueError: If there are no rounds, or the tolerance is not above 0.
    """

    rounds: int = 50
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if not self.rounds >= 1 or not 0 < self.tolerance < float("inf"):
            raise ValueError(f"equalisation needs one or more rounds and a tolerance above 0, got {self}")

    def equalize(self, subject: CompressionSubject) -> TracedNetwork:
        """The network with equalised ranges; without such pairs, the very network of the subject."""
        traced = subject.traced
        makers = _find_makers(traced.graph)
        links = [link for link in find_links(traced.graph) if link.source.name in makers]
        if not links:
            return traced
        parameters: Mapping[str, Tensor] = traced.parameters
        for _ in range(self.rounds):
            furthest = 0.0
            for link in links:
                scales = _choose_scales(link, makers[link.source.name], parameters)
                furthest = max(furthest, float((scales - 1).abs().max()))
                parameters = link.rescale(parameters, scales)
            if furthest < self.tolerance:
                break
        return replace(traced, parameters=parameters)


def _find_makers(graph: NetworkGraph) -> dict[str, Unit]:
    """The call of each layer, by name of the node up to which it is accumulated: its normalisation, or itself."""
    calls = [unit for layer in graph.layers for unit in layer.units]
    return {
        unit.accumulated.name: unit
        for unit in calls
        if isinstance(unit.call.operator, Convolution | Linear)
        and (unit.norm is None or (isinstance(unit.norm.operator, BatchNorm) and unit.norm.operator.affine))
    }


def _choose_scales(link: ScaleLink, maker: Unit, parameters: Mapping[str, Tensor]) -> Tensor:
    """The scales of the channels of a pair, shape (channels,); 1 of channels of zeros, on either side."""
    made = _weight(maker.call, parameters).abs().flatten(1).amax(1)
    if maker.norm is not None:
        factor, variance = parameters[maker.norm.parameters[0]], parameters[maker.norm.parameters[-1]]
        assert isinstance(maker.norm.operator, BatchNorm)
        made = made * factor.detach().abs() * (variance.detach() + maker.norm.operator.eps).rsqrt()
    read = torch.zeros_like(made)
    for node, repeat in link.readers:
        largest = _weight(node, parameters).abs()
        groups = node.operator.groups if isinstance(node.operator, Convolution) else 1
        inputs = largest.unflatten(0, (groups, -1)).flatten(3).amax((1, 3)) if largest.dim() > 2 else largest.amax(0)
        read = torch.maximum(read, link.gather(inputs.flatten(), repeat).amax(1))
    scales = (made / read).sqrt()
    return torch.where((made > 0) & (read > 0), scales, torch.ones_like(scales))


def _weight(node: Node, parameters: Mapping[str, Tensor]) -> Tensor:
    return to_output_first(parameters[node.parameters[0]].detach(), node.operator)
