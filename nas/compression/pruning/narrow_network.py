"""Removes channels from a traced network: narrower operators and tensors, in a network like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nas.compression.tracing.trace import TracedNetwork
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.channels.rule import KeptElements


def narrow_network(traced: TracedNetwork, channels: CoupledChannels, kept: KeptElements) -> TracedNetwork:
    """A network without the channels that are not kept, which is traced, compressed and exported like any other.

    Nodes and tensors keep their names. Channels that were zero wherever they are read leave no trace: the outputs stay
    the same.

    Args:
        traced: The network; it is not changed, and tensors are copied.
        channels: Its channels, as `CoupledChannels.from_graph` finds them.
        kept: Whether each channel is kept, shape (channels,).

    Raises:
        ValueError: If nothing of a group is kept, or the channels are those of another network.
    """
    if channels.graph != traced.graph:
        raise ValueError("channels are removed from the network in which they were found, and these are of another one")
    graph = channels.narrow(kept)
    parameters = {
        name: select_elements(traced.parameters[name], elements)
        for name, elements in channels.tensor_elements(kept).items()
    }
    return replace(traced, graph=graph, parameters=parameters)


def select_elements(tensor: Tensor, elements: Sequence[KeptElements]) -> Tensor:
    """A copy of a stored tensor with some elements of each axis, trainable if the tensor is.

    Args:
        tensor: The tensor.
        elements: For each axis which of its elements are taken, shape (side,).
    """
    chosen = tensor.detach()
    for axis, taken in enumerate(elements):
        if not taken.all():
            chosen = chosen.index_select(axis, torch.from_numpy(taken.nonzero()[0]))
    return chosen.clone().requires_grad_(tensor.requires_grad)
