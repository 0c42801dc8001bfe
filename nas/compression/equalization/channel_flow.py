"""Where the channels of a value lie after an operator, if a positive scale of each passes it unchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from search_spaces.operators.arrangement import Flatten, GlobalPool, Pad, Pool, Reshape, Slice, Transpose
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.products import Add, Multiply

_HOMOGENEOUS = ("relu", "leaky_relu")  # f(s x) = s f(x) for every s > 0


@dataclass(frozen=True, slots=True)
class ChannelAxis:
    """An axis of a value along which its channels lie: element i belongs to channel i // repeat % channels.

    Attributes:
        axis: The axis, counted from the end and so below 0.
        repeat: Number of neighbouring elements of one channel, as a flattened feature map has.
    """

    axis: int
    repeat: int = 1


def pass_scales(
    operator: Operator, inputs: Sequence[ChannelAxis | None], shapes: Sequence[Shape], output: Shape
) -> ChannelAxis | None:
    """Where the channels lie in the output of an operator, if it is scaled by channel as its inputs are; else None.

    Args:
        operator: The operator; one that is not known to pass scales does not.
        inputs: Where the channels lie in each of its inputs; None of inputs that are not scaled.
        shapes: The shapes of the inputs, without the batch axis.
        output: The shape of the output, without the batch axis.
    """
    scaled = {where for where in inputs if where is not None}
    if len(scaled) != 1:
        return None
    (where,) = scaled
    shape = next(one for one, place in zip(shapes, inputs, strict=True) if place is not None)
    if isinstance(operator, Add | Multiply):
        needed = len(inputs) if isinstance(operator, Add) else 1  # a product of two scaled values has squared scales
        whole = output[where.axis] == shape[where.axis]
        return where if whole and sum(place is not None for place in inputs) == needed else None
    return _pass_one(operator, where, shape, output)


def _pass_one(operator: Operator, where: ChannelAxis, shape: Shape, output: Shape) -> ChannelAxis | None:
    """The same for an operator of one input."""
    match operator:
        case Activation():
            return where if operator.function in _HOMOGENEOUS else None
        case Pool():
            return where if where.axis < -len(operator.kernel) else None
        case GlobalPool():
            if where.axis in operator.axes:
                return None
            behind = sum(axis > where.axis for axis in operator.axes)
            return where if operator.keep else replace(where, axis=where.axis + behind)
        case Pad():
            sides = operator.padding[where.axis] if where.axis >= -len(operator.padding) else (0, 0)
            return where if operator.value == 0 and sides == (0, 0) else None
        case Slice():
            return where if operator.axis != where.axis else None
        case Transpose():
            return replace(where, axis=operator.order.index(where.axis) - len(operator.order))
        case Reshape() | Flatten():
            return _reshape(where, shape, output)
    return None


def _reshape(where: ChannelAxis, shape: Shape, output: Shape) -> ChannelAxis | None:
    """The axis that holds the whole axis of the channels after a reshape, alone or together with others."""
    before, after = _around(shape, len(shape) + where.axis)
    for axis in range(len(output)):
        outside, inside = _around(output, axis)
        if output[axis] > 1 and before % outside == 0 and after % inside == 0:
            return ChannelAxis(axis - len(output), where.repeat * (after // inside))
    return None


def _around(shape: Shape, axis: int) -> tuple[int, int]:
    """Number of elements before and after an axis."""
    return math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
