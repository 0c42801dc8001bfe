"""Operators that arrange values or pool them: pooling, reshaping, slices and padding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_spaces.operators.attributes import Axis, Count, Infinite, Size, check_attributes
from search_spaces.operators.operator import Operator, Shape, check_inputs

PoolKind = Literal["mean", "max"]


@dataclass(frozen=True, slots=True)
class Pool(Operator):
    """Pooling of windows over the last one or two axes.

    Attributes:
        kind: `"mean"` or `"max"`.
        kernel: Size of the window in every axis.
        stride: Stride in every axis.
        padding: Number of elements added both before and after, in every axis.
        ceil: Whether a last window that lies partly outside the padded input counts.
        count_padding: Whether a mean counts the zeros of the padding.

    Raises:
        ValueError: If the numbers of axes differ.
    """

    name: ClassVar[str] = "pool"
    kind: PoolKind
    kernel: tuple[Size, ...]
    stride: tuple[Size, ...]
    padding: tuple[Count, ...]
    ceil: bool = False
    count_padding: bool = True

    def __post_init__(self) -> None:
        check_attributes(self)
        if not len(self.kernel) == len(self.stride) == len(self.padding) > 0:
            raise ValueError(f"a pooling has a kernel, a stride and a padding for each of its axes; got {self}")

    def output_shape(self, *inputs: Shape) -> Shape:
        axes = len(self.kernel)
        check_inputs(len(inputs) == 1 and len(inputs[0]) > axes, self, f"one value of channels and {axes} axes", inputs)
        sides = tuple(map(self._output_side, range(axes), inputs[0][-axes:]))
        check_inputs(min(sides) > 0, self, f"a value that kernel {self.kernel} fits in, with its padding", inputs)
        return (*inputs[0][:-axes], *sides)

    def _output_side(self, axis: int, side: int) -> int:
        kernel, stride, padding = self.kernel[axis], self.stride[axis], self.padding[axis]
        span = side + 2 * padding - kernel
        windows = (-(-span // stride) if self.ceil else span // stride) + 1
        # torch drops a last window that would begin in the padding after the input
        return windows - 1 if self.ceil and (windows - 1) * stride >= side + padding else windows


@dataclass(frozen=True, slots=True)
class GlobalPool(Operator):
    """The mean or largest value over whole axes: of feature maps, or of tokens.

    Attributes:
        axes: The axes, counted from the end and so below 0.
        kind: `"mean"` or `"max"`.
        keep: Whether the axes stay, with size 1.

    Raises:
        ValueError: If no axis is named, or one twice.
    """

    name: ClassVar[str] = "global_pool"
    axes: tuple[Axis, ...] = (-2, -1)
    kind: PoolKind = "mean"
    keep: bool = False

    def __post_init__(self) -> None:
        check_attributes(self)
        if not 0 < len(self.axes) == len({*self.axes}):
            raise ValueError(f"a pooling over whole axes names one or more, each once, got {self.axes}")

    def output_shape(self, *inputs: Shape) -> Shape:
        fits = len(inputs) == 1 and len(inputs[0]) >= -min(self.axes)
        check_inputs(fits, self, f"one value with axes {self.axes}", inputs)
        pooled = {len(inputs[0]) + axis for axis in self.axes}
        sides = [1 if axis in pooled else side for axis, side in enumerate(inputs[0])]
        return tuple(side for axis, side in enumerate(sides) if self.keep or axis not in pooled)


@dataclass(frozen=True, slots=True)
class Reshape(Operator):
    """The same elements in another shape.

    Attributes:
        shape: Shape of one output, without the batch axis.
    """

    name: ClassVar[str] = "reshape"
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        elements = math.prod(self.shape)
        fits = len(inputs) == 1 and math.prod(inputs[0]) == elements
        check_inputs(fits, self, f"one value of {elements} elements", inputs)
        return self.shape


@dataclass(frozen=True, slots=True)
class Flatten(Operator):
    """All elements of an input in one row."""

    name: ClassVar[str] = "flatten"

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(len(inputs) == 1, self, "one value", inputs)
        return (math.prod(inputs[0]),)


@dataclass(frozen=True, slots=True)
class Transpose(Operator):
    """Axes in another order.

    Attributes:
        order: For every axis of the output, the axis of the input that it takes, counted from the end and so below 0.

    Raises:
        ValueError: If the order does not name every axis once.
    """

    name: ClassVar[str] = "transpose"
    order: tuple[Axis, ...]

    def __post_init__(self) -> None:
        check_attributes(self)
        if sorted(self.order) != list(range(-len(self.order), 0)):
            raise ValueError(f"the order of a transpose names every axis once, from -1 downwards, got {self.order}")

    def output_shape(self, *inputs: Shape) -> Shape:
        fits = len(inputs) == 1 and len(inputs[0]) == len(self.order)
        check_inputs(fits, self, f"one value of {len(self.order)} axes", inputs)
        return tuple(inputs[0][axis] for axis in self.order)


@dataclass(frozen=True, slots=True)
class Slice(Operator):
    """Some of the elements along an axis.

    Attributes:
        axis: The axis, counted from the end and so below 0.
        start: Index of the first element, from 0.
        stop: One after the index of the last element.
        step: Distance from one element to the next.
    """

    name: ClassVar[str] = "slice"
    axis: Axis
    start: Count
    stop: Count
    step: Size = 1

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = inputs[0] if inputs else ()
        index = len(shape) + self.axis
        fits = len(inputs) == 1 and index >= 0 and 0 <= self.start <= self.stop <= shape[index]
        check_inputs(fits, self, f"one value with elements {self.start} to {self.stop} in axis {self.axis}", inputs)
        return (*shape[:index], len(range(self.start, self.stop, self.step)), *shape[index + 1 :])


@dataclass(frozen=True, slots=True)
class Pad(Operator):
    """A constant before and after the last axes.

    Attributes:
        padding: Number of elements added before and after, for each of the last axes; a negative number cuts off.
        value: The constant.
    """

    name: ClassVar[str] = "pad"
    padding: tuple[tuple[int, int], ...]
    value: Infinite = 0.0

    def output_shape(self, *inputs: Shape) -> Shape:
        axes = len(self.padding)
        check_inputs(len(inputs) == 1 and len(inputs[0]) >= axes, self, f"one value of {axes} axes or more", inputs)
        padded = (side + sum(sides) for side, sides in zip(inputs[0][-axes:], self.padding, strict=True))
        return (*inputs[0][:-axes], *padded)
