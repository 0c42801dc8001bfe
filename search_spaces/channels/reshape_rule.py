"""Rules of reshapes: channels that are joined with positions, or parted into heads or into the groups of a shuffle."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from search_spaces.channels.labels import AxisLabels, ChannelLabels, ValueLabels
from search_spaces.channels.rule import ChannelRule, KeptValues
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import Flatten, Reshape, Transpose
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.products import Attention, MatrixProduct

_STAYING = ("activation", "softmax", "layer_norm", "rms_norm", "add", "multiply", "slice", "concatenate")  # of axes


def _follow_reshape(labels: ChannelLabels, node: Node) -> ValueLabels:
    """Follows axes that are kept, joined or parted; of others nothing is removed.

    Of axes that are joined, the channels of one can be removed, whole with all that it is joined with. Of an axis that
    is parted, channels can be removed along one of its parts: along the heads if an attention reads them so, else along
    the last, as where channels are shuffled among groups.
    """
    inputs, shape = labels.values[node.inputs[0]], labels.shape(node.name)
    found: list[AxisLabels] = [None] * len(shape)
    labels.fix(*(known for known, side in zip(inputs, labels.shape(node.inputs[0]), strict=True) if side == 1))
    for before, after in pair_axes(labels.shape(node.inputs[0]), shape):
        known = [axis for axis in before if inputs[axis] is not None]
        if not known:
            continue
        if len(after) == 1 and len(known) == 1:
            sides = [labels.shape(node.inputs[0])[axis] for axis in before]
            spread = _place(inputs[known[0]], before.index(known[0]), len(before))
            found[after[0]] = np.broadcast_to(spread, sides).reshape(-1)
        elif len(before) == 1:
            axis = find_head_axis(labels.graph, node.name, after)
            axis = after[-1] if axis is None else axis
            found[axis] = _part(labels, inputs[before[0]], [shape[one] for one in after], after.index(axis))
        else:
            labels.fix(*(inputs[axis] for axis in before))
    return tuple(found)


def _narrow_reshape(operator: Reshape, node: Node, kept: KeptValues) -> Operator:
    return replace(operator, shape=kept.shape(node.name))


def pair_axes(before: Shape, after: Shape) -> Iterator[tuple[list[int], list[int]]]:
    """Pairs the fewest axes of a shape with those of another that have the same elements in the same order.

    Axes of size 1 are left out.

    Args:
        before: Shape of a value.
        after: Shape of the same number of elements.
    """
    first, second = ([axis for axis, side in enumerate(shape) if side != 1] for shape in (before, after))
    while first and second:
        left, right = [first.pop(0)], [second.pop(0)]
        while (sizes := [math.prod(before[i] for i in left), math.prod(after[i] for i in right)])[0] != sizes[1]:
            if sizes[0] < sizes[1]:
                left.append(first.pop(0))
            else:
                right.append(second.pop(0))
        yield left, right


def find_head_axis(graph: NetworkGraph, name: str, axes: Sequence[int]) -> int | None:
    """The axis of a value, among some, that an attention reads as heads, or a product as one matrix each.

    Args:
        graph: The graph.
        name: Name of the value.
        axes: The axes.
    """
    pending, seen = [(name, {axis: axis for axis in axes})], {name}
    while pending:
        value, places = pending.pop()
        for reader in graph.readers[value]:
            heads = len(graph.shapes[value]) - 3
            if isinstance(reader.operator, Attention | MatrixProduct):
                if heads in places:
                    return places[heads]
            elif reader.name not in seen and (moved := _move(graph, value, reader, places)):
                seen.add(reader.name)
                pending.append((reader.name, moved))
    return None


def _move(graph: NetworkGraph, value: str, reader: Node, places: Mapping[int, int]) -> dict[int, int]:
    """Where axes of a value are in what a node makes of it, as far as they stay what they are."""
    before, after = graph.shapes[value], graph.shapes[reader.name]
    if isinstance(reader.operator, Transpose):
        came = [len(before) + axis for axis in reader.operator.order]
        return {axis: places[one] for axis, one in enumerate(came) if one in places}
    if isinstance(reader.operator, Reshape | Flatten):
        whole = [(left[0], right[0]) for left, right in pair_axes(before, after) if len(left) == len(right) == 1]
        return {right: places[left] for left, right in whole if left in places}
    if reader.operator.name not in _STAYING or len(before) != len(after):
        return {}
    return {axis: one for axis, one in places.items() if before[axis] == after[axis] or after[axis] == 1}


def _part(labels: ChannelLabels, known: AxisLabels, sides: list[int], carrier: int) -> AxisLabels:
    """Labels along one of the parts of an axis: all elements at one place of it are united."""
    assert known is not None
    rows = np.moveaxis(known.reshape(sides), carrier, 0).reshape(sides[carrier], -1)
    for place in range(1, rows.shape[1]):
        labels.unite(rows[:, place], rows[:, 0])
    return rows[:, 0].copy()


def _place(known: AxisLabels, place: int, rank: int) -> np.ndarray:
    """Labels of one axis with axes of size 1 around it."""
    assert known is not None
    return known.reshape([-1 if axis == place else 1 for axis in range(rank)])


RESHAPE_RULES = {"reshape": ChannelRule(_follow_reshape, _narrow_reshape), "flatten": ChannelRule(_follow_reshape)}
