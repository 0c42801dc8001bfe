"""Rules of operators that arrange or pool values: labels go where elements go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from search_spaces.channels.labels import AxisLabels, ChannelLabels, ValueLabels
from search_spaces.channels.rule import ChannelRule, KeptElements, KeptValues
from search_spaces.network_graph import Node
from search_spaces.operators.arrangement import GlobalPool, Pad, Pool, Slice, Transpose
from search_spaces.operators.opaque import Constant
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import Softmax
from search_spaces.operators.products import Concatenate


def _follow_activation(labels: ChannelLabels, node: Node) -> ValueLabels:
    return labels.values[node.inputs[0]]


def _follow_softmax(labels: ChannelLabels, node: Node) -> ValueLabels:
    assert isinstance(node.operator, Softmax)
    inputs = labels.values[node.inputs[0]]
    labels.fix(inputs[node.operator.axis])
    return inputs


def _follow_pool(labels: ChannelLabels, node: Node) -> ValueLabels:
    assert isinstance(node.operator, Pool)
    inputs, axes = labels.values[node.inputs[0]], len(node.operator.kernel)
    labels.fix(*inputs[-axes:])
    return (*inputs[:-axes], *(None,) * axes)


def _follow_global_pool(labels: ChannelLabels, node: Node) -> ValueLabels:
    operator, inputs = node.operator, labels.values[node.inputs[0]]
    assert isinstance(operator, GlobalPool)
    pooled = {len(inputs) + axis for axis in operator.axes}
    labels.fix(*(inputs[axis] for axis in pooled))
    sides = [None if axis in pooled else known for axis, known in enumerate(inputs)]
    return tuple(known for axis, known in enumerate(sides) if operator.keep or axis not in pooled)


def _follow_transpose(labels: ChannelLabels, node: Node) -> ValueLabels:
    assert isinstance(node.operator, Transpose)
    inputs = labels.values[node.inputs[0]]
    return tuple(inputs[axis] for axis in node.operator.order)


def _follow_slice(labels: ChannelLabels, node: Node) -> ValueLabels:
    operator, inputs = node.operator, labels.values[node.inputs[0]]
    assert isinstance(operator, Slice)
    axis = len(inputs) + operator.axis
    known = inputs[axis]
    if operator.step != 1:  # what is left would not be every so many
        labels.fix(known)
        known = None
    taken = None if known is None else known[operator.start : operator.stop]
    return (*inputs[:axis], taken, *inputs[axis + 1 :])


def _narrow_slice(operator: Slice, node: Node, kept: KeptValues) -> Operator:
    if operator.step != 1:
        return operator
    elements = kept.values[node.inputs[0]][operator.axis]
    start, stop = (int(elements[:border].sum()) for border in (operator.start, operator.stop))
    return replace(operator, start=start, stop=stop)


def _follow_pad(labels: ChannelLabels, node: Node) -> ValueLabels:
    """Constants are added that can be left out, as channels of a shortcut that has fewer of them than the sum."""
    assert isinstance(node.operator, Pad)
    inputs, padding = list(labels.values[node.inputs[0]]), node.operator.padding
    for axis, (before, after) in enumerate(padding, start=len(inputs) - len(padding)):
        known = inputs[axis]
        if known is not None and (before or after):
            parts = [labels.create(max(before, 0)), _crop(known, before, after), labels.create(max(after, 0))]
            inputs[axis] = np.concatenate(parts)
    return tuple(inputs)


def _narrow_pad(operator: Pad, node: Node, kept: KeptValues) -> Operator:
    rank = len(kept.values[node.name])
    padding = []
    for axis, (before, after) in enumerate(operator.padding, start=rank - len(operator.padding)):
        read, written = kept.values[node.inputs[0]][axis], kept.values[node.name][axis]
        padding.append((_narrow_side(before, read, written), _narrow_side(after, read[::-1], written[::-1])))
    return replace(operator, padding=tuple(padding))


def _narrow_side(added: int, read: KeptElements, written: KeptElements) -> int:
    """What is left of elements that are added at the beginning of an axis, or cut off there if negative."""
    return int(written[:added].sum()) if added >= 0 else -int(read[:-added].sum())


def _crop(known: np.ndarray, before: int, after: int) -> np.ndarray:
    return known[max(-before, 0) : len(known) - max(-after, 0)]


def _follow_concatenation(labels: ChannelLabels, node: Node) -> ValueLabels:
    assert isinstance(node.operator, Concatenate)
    parts = [labels.values[name] for name in node.inputs]
    axis = len(parts[0]) + node.operator.axis
    for other in parts[1:]:
        for place, (one, two) in enumerate(zip(parts[0], other, strict=True)):
            if place != axis:
                labels.unite(one, two)
    sides = [labels.shape(name)[axis] for name in node.inputs]
    joined = _join(labels, [part[axis] for part in parts], sides)
    # of an axis that is fixed in one part, another part may hold the labels that `unite` fixed
    return (*parts[0][:axis], joined, *parts[0][axis + 1 :])


def _join(labels: ChannelLabels, parts: list[AxisLabels], sides: list[int]) -> AxisLabels:
    if all(part is None for part in parts):
        return None
    known = [labels.create(side) if part is None else part for part, side in zip(parts, sides, strict=True)]
    labels.fix(*(one for one, part in zip(known, parts, strict=True) if part is None))
    return np.concatenate(known)


def _follow_constant(labels: ChannelLabels, node: Node) -> ValueLabels:
    """A stored value, such as an encoding of positions or a scale, loses the channels that are removed around it."""
    assert isinstance(node.operator, Constant)
    shape = labels.shape(node.name)
    known = tuple(None if side == 1 else labels.create(side) for side in shape)
    labels.label_tensor(node.parameters[0], ((None,) * (len(node.operator.shape) - len(shape)) + known))
    return labels.tensors[node.parameters[0]][len(node.operator.shape) - len(shape) :]


def _narrow_constant(operator: Constant, node: Node, kept: KeptValues) -> Operator:
    shape = kept.shape(node.name)
    return replace(operator, shape=(*operator.shape[: len(operator.shape) - len(shape)], *shape))


ARRANGEMENT_RULES = {
    "activation": ChannelRule(_follow_activation),
    "softmax": ChannelRule(_follow_softmax),
    "pool": ChannelRule(_follow_pool),
    "global_pool": ChannelRule(_follow_global_pool),
    "transpose": ChannelRule(_follow_transpose),
    "slice": ChannelRule(_follow_slice, _narrow_slice),
    "pad": ChannelRule(_follow_pad, _narrow_pad),
    "concatenate": ChannelRule(_follow_concatenation),
    "constant": ChannelRule(_follow_constant, _narrow_constant),
}
