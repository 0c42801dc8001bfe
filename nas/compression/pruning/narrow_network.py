"""Removes channels or blocks from a traced network, or puts channels into another order: a network like any other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nas.compression.tracing.trace import TracedNetwork
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import FIXED, CoupledChannels
from search_spaces.channels.labels import Labels
from search_spaces.channels.rule import KeptElements
from search_spaces.removable_blocks import RemovableBlocks


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


def remove_blocks(traced: TracedNetwork, blocks: RemovableBlocks, removed: Collection[str]) -> TracedNetwork:
    """A network without some blocks, which is traced, compressed and exported like any other; tensors are shared.

    Args:
        traced: The network in which the blocks were found, or what it is with fewer channels; it is not changed.
        blocks: Its blocks.
        removed: Names of the blocks that are left out.

    Raises:
        ValueError: If a name is that of no block.
    """
    graph = blocks.remove(removed, traced.graph)
    return replace(traced, graph=graph, parameters={name: traced.parameters[name] for name in graph.parameter_shapes})


def sort_channels(traced: TracedNetwork, channels: CoupledChannels, importance: FloatArray) -> TracedNetwork:
    """The same network with the most important channels of each group first; it computes the same.

    So a number of channels says which ones are kept: the first ones.

    Args:
        traced: The network; it is not changed, and tensors are copied.
        channels: Its channels.
        importance: The importance of each channel, shape (channels,); of equal ones the first comes first.

    Raises:
        ValueError: If the channels are those of another network, or the importances are not one number for each.
    """
    if channels.graph != traced.graph or importance.shape != (channels.count,) or np.isnan(importance).any():
        raise ValueError(f"each of {channels.count} channels of the network needs an importance, got {importance}")
    order = np.concatenate(
        [group.first + np.argsort(-importance[group.channels], kind="stable") for group in channels.groups]
        or [np.zeros(0, np.int64)]
    )
    parameters = {
        name: _take(traced.parameters[name], [_reorder(axis, order) for axis in axes])
        for name, axes in channels.tensors.items()
    }
    return replace(traced, parameters=parameters)


def _reorder(numbers: Labels, order: Labels) -> Labels:
    """From which element of an axis each one comes, shape (side,): a channel takes the elements of the one that it is.

    Args:
        numbers: The channel of each element, or `FIXED`, shape (side,).
        order: For each channel, which one takes its place, shape (channels,).
    """
    elements = np.arange(len(numbers))
    members = {int(channel): elements[numbers == channel] for channel in np.unique(numbers[numbers != FIXED])}
    for channel, own in members.items():
        elements[own] = members[int(order[channel])]
    return elements


def _take(tensor: Tensor, elements: Sequence[Labels]) -> Tensor:
    """A copy of a stored tensor with the elements of each axis in an order, trainable if the tensor is."""
    chosen = tensor.detach()
    for axis, taken in enumerate(elements):
        chosen = chosen.index_select(axis, torch.from_numpy(taken))
    return chosen.clone().requires_grad_(tensor.requires_grad)


def select_elements(tensor: Tensor, elements: Sequence[KeptElements]) -> Tensor:
    """A copy of a stored tensor with some elements of each axis, trainable if the tensor is.

    Args:
        tensor: The tensor.
        elements: For each axis which of its elements are taken, shape (side,).
    """
    return _take(tensor, [taken.nonzero()[0] for taken in elements])
