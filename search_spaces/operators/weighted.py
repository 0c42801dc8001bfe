"""Operators with a weight that a policy compresses: convolutions, linear layers and embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.operators.attributes import Count, Size, check_attributes
from search_spaces.operators.operator import Operator, Shape, check_inputs


@dataclass(frozen=True, slots=True)
class Convolution(Operator):
    """A convolution over the last one or two axes; it reads (..., channels, side) or (..., channels, height, width).

    Attributes:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Size of the kernel in every axis; the length of this tuple is the number of axes, 1 or 2.
        stride: Stride in every axis.
        padding: Number of zeros added before and after the input in every axis. A transposed convolution cuts that many
            elements off its output instead.
        dilation: Distance between neighbouring taps of the kernel in every axis.
        groups: Number of groups of channels; equal to `in_channels` in a depthwise convolution.
        bias: Whether a bias is added.
        transposed: Whether it is a transposed convolution, which enlarges its input by the stride.
        output_padding: Number of elements that a transposed convolution adds at the end of its output, in every axis.

    Raises:
        ValueError: If a size is below 1 or a padding below 0, the numbers of axes differ, the groups do not divide the
            channels, or a convolution that is not transposed has an output padding.
    """

    name: ClassVar[str] = "convolution"
    in_channels: Size
    out_channels: Size
    kernel: tuple[Size, ...]
    stride: tuple[Size, ...]
    padding: tuple[tuple[Count, Count], ...]
    dilation: tuple[Size, ...]
    groups: Size = 1
    bias: bool = False
    transposed: bool = False
    output_padding: tuple[Count, ...] | None = None

    def __post_init__(self) -> None:
        check_attributes(self)
        axes = len(self.kernel)
        given = (self.stride, self.padding, self.dilation, self.output_padding or self.kernel)
        if axes not in (1, 2) or any(len(values) != axes for values in given):
            raise ValueError(f"a convolution has 1 or 2 axes, with a stride, padding and dilation for each; got {self}")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"the groups of a convolution must divide its channels; got {self}")
        if self.output_padding is not None and not self.transposed:
            raise ValueError(f"only a transposed convolution has an output padding; got {self}")

    @classmethod
    def square(
        cls, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, bias: bool = False
    ) -> Convolution:
        """The usual convolution of images: a square kernel of odd size, padded so that stride 1 keeps the image size.

        Args:
            in_channels: Channels of the input.
            out_channels: Channels of the output.
            kernel: Size of the kernel in both axes, odd.
            stride: Stride in both axes.
            groups: Number of groups of channels; equal to `in_channels` in a depthwise convolution.
            bias: Whether a bias is added.

        Raises:
            ValueError: If the size of the kernel is even.
        """
        if kernel % 2 == 0:
            raise ValueError(f"a square convolution has a kernel of odd size, got {kernel}")
        padding = (kernel // 2, kernel // 2)
        sides = ((kernel, kernel), (stride, stride), (padding, padding), (1, 1))
        return cls(in_channels, out_channels, *sides, groups, bias)

    @property
    def is_depthwise(self) -> bool:
        """Whether every channel has a kernel of its own."""
        return self.groups == self.in_channels == self.out_channels > 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a linear layer at every position: a kernel of size 1, no stride, padding or groups."""
        ones = (1,) * len(self.kernel)
        return self.kernel == self.stride == ones and self.groups == 1 and not any(map(any, self.padding))

    @property
    def weight_shape(self) -> Shape:
        """Shape (out, in / groups, *kernel), also where the convolution is transposed.

        Torch stores the weight of a transposed convolution as (in, out / groups, *kernel), see `parameter_shapes`.
        """
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        stored = self.weight_shape
        if self.transposed:
            stored = (self.in_channels, self.out_channels // self.groups, *self.kernel)
        return {"weight": stored} | ({"bias": (self.out_channels,)} if self.bias else {})

    def output_shape(self, *inputs: Shape) -> Shape:
        axes = len(self.kernel)
        fits = len(inputs) == 1 and len(inputs[0]) > axes and inputs[0][-axes - 1] == self.in_channels
        check_inputs(fits, self, f"one input of {self.in_channels} channels and {axes} axes", inputs)
        sides = tuple(map(self._output_side, range(axes), inputs[0][-axes:]))
        check_inputs(min(sides) > 0, self, f"an input that kernel {self.kernel} fits in, with its padding", inputs)
        return (*inputs[0][: -axes - 1], self.out_channels, *sides)

    def macs(self, *inputs: Shape) -> int:
        """Every weight is multiplied once per position: of the output, or of the input of a transposed convolution."""
        axes = len(self.kernel)
        positions = inputs[0] if self.transposed else self.output_shape(*inputs)
        # all axes but that of the channels, which the weight contains already
        return self.weights * math.prod(positions[: -axes - 1]) * math.prod(positions[-axes:])

    def _output_side(self, axis: int, side: int) -> int:
        reach, stride, padding = self.dilation[axis] * (self.kernel[axis] - 1), self.stride[axis], self.padding[axis]
        if self.transposed:
            return (side - 1) * stride - sum(padding) + reach + 1 + (self.output_padding or (0, 0))[axis]
        return (side + sum(padding) - reach - 1) // stride + 1


@dataclass(frozen=True, slots=True)
class Linear(Operator):
    """A linear layer, applied at every position of an input of shape (..., in_features).

    Attributes:
        in_features: Size of the last axis of the input.
        out_features: Size of the last axis of the output.
        bias: Whether a bias is added.
    """

    name: ClassVar[str] = "linear"
    in_features: Size
    out_features: Size
    bias: bool = False

    @property
    def weight_shape(self) -> Shape:
        return (self.out_features, self.in_features)

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return {"weight": self.weight_shape} | ({"bias": (self.out_features,)} if self.bias else {})

    def output_shape(self, *inputs: Shape) -> Shape:
        fits = len(inputs) == 1 and inputs[0][-1:] == (self.in_features,)
        check_inputs(fits, self, f"one input of {self.in_features} features", inputs)
        return (*inputs[0][:-1], self.out_features)

    def macs(self, *inputs: Shape) -> int:
        return self.weights * math.prod(inputs[0][:-1])


@dataclass(frozen=True, slots=True)
class Embedding(Operator):
    """A table whose rows are looked up: it reads indices of rows, shape (...), and yields shape (..., width).

    Attributes:
        rows: Number of rows of the table.
        width: Number of elements of a row.
    """

    name: ClassVar[str] = "embedding"
    rows: Size
    width: Size

    @property
    def weight_shape(self) -> Shape:
        return (self.rows, self.width)

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return {"weight": self.weight_shape}

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(len(inputs) == 1, self, "one input", inputs)
        return (*inputs[0], self.width)
