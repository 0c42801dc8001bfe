"""Rules of operators with weights, and of norms: layers make new channels, and depend on those that they read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from search_spaces.channels.labels import AxisLabels, ChannelLabels, ValueLabels
from search_spaces.channels.rule import ChannelRule, KeptValues
from search_spaces.network_graph import Node
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import BatchNorm, GroupNorm, LayerNorm, RmsNorm
from search_spaces.operators.weighted import Convolution, Embedding, Linear


def _follow_convolution(labels: ChannelLabels, node: Node) -> ValueLabels:
    operator, inputs = node.operator, labels.values[node.inputs[0]]
    assert isinstance(operator, Convolution)
    axes = len(operator.kernel)
    labels.fix(*inputs[-axes:])
    read, written, per_group = _follow_groups(labels, operator, inputs[-axes - 1])
    stored = (read, per_group) if operator.transposed else (written, per_group)
    labels.label_tensor(node.parameters[0], (*stored, *(None,) * axes))
    if operator.bias:
        labels.label_tensor(node.parameters[1], (written,))
    return (*inputs[: -axes - 1], written, *(None,) * axes)


def _follow_groups(
    labels: ChannelLabels, operator: Convolution, read: AxisLabels
) -> tuple[AxisLabels, AxisLabels, AxisLabels]:
    """Labels of the channels that a convolution reads, of those that it writes, and of the weight's axis per group.

    Where each group reads one channel, as in a depthwise convolution, a group is removed with its channel. Where groups
    read several, all groups lose the same ones, so that they stay equally wide.
    """
    groups = operator.groups
    wide_in, wide_out = operator.in_channels // groups, operator.out_channels // groups
    if groups == 1:
        written = labels.create(wide_out)
        return read, written, written if operator.transposed else read
    if wide_in == 1:
        return read, None if read is None else np.repeat(read, wide_out), None
    by_group = None if read is None else read.reshape(groups, wide_in)
    for group in () if by_group is None else by_group[1:]:
        labels.unite(group, None if by_group is None else by_group[0])
    within = labels.create(wide_out)
    if wide_out == 1:  # a group without an output would be none
        labels.fix(within)
    written = np.tile(within, groups)
    return read, written, within if operator.transposed else None if by_group is None else by_group[0]


def _narrow_convolution(operator: Convolution, node: Node, kept: KeptValues) -> Operator:
    axis = -len(operator.kernel) - 1
    read, written = kept.count(node.inputs[0], axis), kept.count(node.name, axis)
    groups = read if operator.groups == operator.in_channels > 1 else operator.groups
    return replace(operator, in_channels=read, out_channels=written, groups=groups)


def _follow_linear(labels: ChannelLabels, node: Node) -> ValueLabels:
    operator = node.operator
    assert isinstance(operator, Linear)
    *others, read = labels.values[node.inputs[0]]
    written = labels.create(operator.out_features)
    labels.label_tensor(node.parameters[0], (written, read))
    if operator.bias:
        labels.label_tensor(node.parameters[1], (written,))
    return (*others, written)


def _narrow_linear(operator: Linear, node: Node, kept: KeptValues) -> Operator:
    return replace(operator, in_features=kept.count(node.inputs[0], -1), out_features=kept.count(node.name, -1))


def _follow_embedding(labels: ChannelLabels, node: Node) -> ValueLabels:
    assert isinstance(node.operator, Embedding)
    labels.fix_value(node.inputs[0])
    written = labels.create(node.operator.width)
    labels.label_tensor(node.parameters[0], (None, written))
    return (*(None,) * len(labels.shape(node.inputs[0])), written)


def _narrow_embedding(operator: Embedding, node: Node, kept: KeptValues) -> Operator:
    return replace(operator, width=kept.count(node.name, -1))


def _follow_batch_norm(labels: ChannelLabels, node: Node) -> ValueLabels:
    assert isinstance(node.operator, BatchNorm)
    inputs = labels.values[node.inputs[0]]
    for name in node.parameters:
        labels.label_tensor(name, (inputs[-node.operator.axes - 1],))
    return inputs


def _narrow_batch_norm(operator: BatchNorm, node: Node, kept: KeptValues) -> Operator:
    return replace(operator, channels=kept.count(node.name, -operator.axes - 1))


def _follow_group_norm(labels: ChannelLabels, node: Node) -> ValueLabels:
    """A group is removed whole: the mean of its channels would be another one without some of them."""
    operator, inputs = node.operator, labels.values[node.inputs[0]]
    assert isinstance(operator, GroupNorm)
    channels = inputs[-operator.axes - 1]
    labels.fix(*inputs[len(inputs) - operator.axes :])
    if channels is not None:
        by_group = channels.reshape(operator.groups, -1)
        for place in range(1, by_group.shape[1]):
            labels.unite(by_group[:, place], by_group[:, 0])
    for name in node.parameters:
        labels.label_tensor(name, (channels,))
    return inputs


def _narrow_group_norm(operator: GroupNorm, node: Node, kept: KeptValues) -> Operator:
    channels = kept.count(node.name, -operator.axes - 1)
    return replace(operator, channels=channels, groups=operator.groups * channels // operator.channels)


def _follow_row_norm(labels: ChannelLabels, node: Node) -> ValueLabels:
    """Fixes the axes over which a mean is taken, which would be another one without some elements."""
    operator, inputs = node.operator, labels.values[node.inputs[0]]
    assert isinstance(operator, LayerNorm | RmsNorm)
    labels.fix(*inputs[-len(operator.shape) :])
    return inputs


LAYER_RULES = {
    "convolution": ChannelRule(_follow_convolution, _narrow_convolution),
    "linear": ChannelRule(_follow_linear, _narrow_linear),
    "embedding": ChannelRule(_follow_embedding, _narrow_embedding),
    "batch_norm": ChannelRule(_follow_batch_norm, _narrow_batch_norm),
    "group_norm": ChannelRule(_follow_group_norm, _narrow_group_norm),
    "layer_norm": ChannelRule(_follow_row_norm),
    "rms_norm": ChannelRule(_follow_row_norm),
}
