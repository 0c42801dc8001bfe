"""What one output of a layer reads, as rows that its weight is multiplied by: a convolution becomes a linear layer."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution, Linear


def can_be_rows(operator: Operator) -> bool:
    """Whether the layer is one whose inputs can be read as rows: a linear layer or a convolution."""
    return isinstance(operator, Linear | Convolution)


def to_rows(weight: Tensor, operator: Operator) -> Tensor:
    """A weight as one matrix per group, shape (groups, out, in).

    Args:
        weight: Shape `operator.weight_shape`, output channels first.
        operator: A linear layer or a convolution.
    """
    groups = operator.groups if isinstance(operator, Convolution) else 1
    return weight.reshape(groups, len(weight) // groups, -1)


def draw_positions(operator: Operator, output: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Positions of an output at which rows are taken, int64, shape (count,), or all if there are fewer.

    Args:
        operator: A linear layer or a convolution.
        output: The output of the layer, shape (batch, ...).
        count: Number of positions.
        generator: Draws them.
    """
    return torch.randperm(_positions(operator, output), generator=generator)[:count]


def sample_outputs(operator: Operator, output: Tensor, positions: Tensor) -> Tensor:
    """The outputs at some positions, shape (batch * positions, out).

    Args:
        operator: A linear layer or a convolution.
        output: The output of the layer, or a value of its shape, shape (batch, ...).
        positions: Flat indices into the positions, shape (positions,).
    """
    if isinstance(operator, Convolution):
        channels = output.flatten(-len(operator.kernel)).transpose(1, 2)
    else:
        channels = output.reshape(len(output), -1, output.shape[-1])
    return channels[:, positions].flatten(0, 1)


def sample_inputs(operator: Operator, inputs: Tensor, positions: Tensor) -> Tensor:
    """What the outputs at some positions read, shape (groups, batch * positions, in), in the order of `to_rows`.

    Args:
        operator: A linear layer or a convolution.
        inputs: The input of the layer, shape (batch, ...).
        positions: Flat indices into the positions of the output, shape (positions,).
    """
    if not isinstance(operator, Convolution):
        return inputs.reshape(len(inputs), -1, inputs.shape[-1])[:, positions].flatten(0, 1)[None]
    stride, padding = operator.stride, operator.padding
    sides = operator.output_shape(tuple(inputs.shape[1:]))[1:]
    if operator.transposed:
        inputs, stride, padding = _as_plain(operator, inputs, sides)
    padded = F.pad(inputs, [side for sides_of_axis in reversed(padding) for side in sides_of_axis])
    index: list[Tensor | slice] = [slice(None), slice(None)]
    axes, rest = len(sides), positions
    for axis in reversed(range(axes)):
        start = (rest % sides[axis]) * stride[axis]
        rest = rest // sides[axis]
        taps = torch.arange(operator.kernel[axis]) * operator.dilation[axis]
        if operator.transposed:
            taps = taps.flip(0)
        shape = [len(positions), *(operator.kernel[axis] if other == axis else 1 for other in range(axes))]
        index.insert(2, (start[:, None] + taps).view(shape))
    taken = padded[tuple(index)]  # (batch, channels, positions, *kernel)
    grouped = taken.unflatten(1, (operator.groups, -1)).permute(1, 0, 3, 2, *range(4, 4 + axes))
    return grouped.flatten(3).flatten(1, 2)


def _positions(operator: Operator, output: Tensor) -> int:
    """Number of positions of an output that has a batch axis."""
    if isinstance(operator, Convolution):
        return math.prod(output.shape[-len(operator.kernel) :])
    return math.prod(output.shape[1:-1])


def _as_plain(
    operator: Convolution, inputs: Tensor, sides: tuple[int, ...]
) -> tuple[Tensor, tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Input, stride and padding of the plain convolution by a flipped kernel that a transposed convolution is.

    Args:
        operator: The transposed convolution.
        inputs: Its input, shape (batch, channels, ...).
        sides: Sizes of its output.
    """
    axes = len(operator.kernel)
    spread = [(side - 1) * stride + 1 for side, stride in zip(inputs.shape[2:], operator.stride, strict=True)]
    apart = inputs.new_zeros(*inputs.shape[:2], *spread)
    apart[(slice(None), slice(None), *(slice(None, None, stride) for stride in operator.stride))] = inputs
    padding = []
    for axis in range(axes):
        reach = operator.dilation[axis] * (operator.kernel[axis] - 1)
        before = reach - operator.padding[axis][0]
        padding.append((before, sides[axis] + reach - spread[axis] - before))
    return apart, (1,) * axes, tuple(padding)
