"""Sorting channels by importance, so that the first channels of a layer are its best ones.

In: a network and the groups of layers that share a channel order. Out: the same function with channels reordered
(Cai et al., "Once-for-All", ICLR 2020, section 3.3). Knows no family and no search space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from search_spaces.elastic.layer import Layer


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


def _layer(network: nn.Module, name: str) -> Layer:
    layer = network.get_submodule(name)
    assert isinstance(layer, Layer)
    return layer
