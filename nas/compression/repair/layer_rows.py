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
    """Positions of an output at which rows are taken: about `count`, or all if there are fewer, int64, in one axis.

    The first axis of an output need not be that of samples, as with windows or tokens, so all axes but that of channels
    have a share in the number. The same places are taken of several entries of the first axis, of all if possible.

    Args:
        operator: A linear layer or a convolution.
        output: The output of the layer, shape (entries, ...).
        count: Number of positions.
        generator: Draws them.

    Returns:
        Flat indices into entries and the places of an entry, by entry.
    """
    places = _count_places(operator, output)
    taken = torch.randperm(places, generator=generator)[: -(-count // len(output))]
    entries, needed = torch.arange(len(output)), -(-count // len(taken))
    if needed < len(output):
        entries = torch.randperm(len(output), generator=generator)[:needed]
    return (entries[:, None] * places + taken).flatten()


def find_entries(operator: Operator, inputs: Tensor, positions: Tensor) -> Tensor:
    """Which entry of the first axis each position of an output lies in, shape (positions,).

    Args:
        operator: A linear layer or a convolution.
        inputs: The input of the layer, shape (entries, ...).
        positions: As `draw_positions` gives them, shape (positions,).
    """
    shape = tuple(inputs.shape[1:])
    sides = operator.output_shape(shape)[1:] if isinstance(operator, Convolution) else shape[:-1]
    return positions // math.prod(sides)


def sample_outputs(operator: Operator, output: Tensor, positions: Tensor) -> Tensor:
    """The outputs at some positions, shape (positions, out).

    Args:
        operator: A linear layer or a convolution.
        output: The output of the layer, or a value of its shape, shape (entries, ...).
        positions: As `draw_positions` gives them, shape (positions,).
    """
    if not isinstance(operator, Convolution):
        return output.reshape(-1, output.shape[-1])[positions]
    places = _count_places(operator, output)
    return output.flatten(2)[positions // places, :, positions % places]


def sample_inputs(operator: Operator, inputs: Tensor, positions: Tensor) -> Tensor:
    """What the outputs at some positions read, shape (groups, positions, in), in the order of `to_rows`.

    Args:
        operator: A linear layer or a convolution.
        inputs: The input of the layer, shape (entries, ...).
        positions: As `draw_positions` gives them, shape (positions,).
    """
    if not isinstance(operator, Convolution):
        return inputs.reshape(-1, inputs.shape[-1])[positions][None]
    stride, padding = operator.stride, operator.padding
    sides = operator.output_shape(tuple(inputs.shape[1:]))[1:]
    if operator.transposed:
        inputs, stride, padding = _as_plain(operator, inputs, sides)
    padded = F.pad(inputs, [side for sides_of_axis in reversed(padding) for side in sides_of_axis])
    axes, rest = len(sides), positions
    index: list[Tensor | slice] = [slice(None)]
    for axis in reversed(range(axes)):
        start = (rest % sides[axis]) * stride[axis]
        rest = rest // sides[axis]
        taps = torch.arange(operator.kernel[axis]) * operator.dilation[axis]
        if operator.transposed:
            taps = taps.flip(0)
        shape = [len(positions), *(operator.kernel[axis] if other == axis else 1 for other in range(axes))]
        index.insert(1, (start[:, None] + taps).view(shape))
    taken = padded[(rest.view(-1, *(1,) * axes), *index)]  # (positions, *kernel, channels)
    return taken.unflatten(-1, (operator.groups, -1)).movedim((-2, -1), (0, 2)).flatten(2)


def _count_places(operator: Operator, output: Tensor) -> int:
    """Number of places of each entry of the first axis of an output, such as pixels."""
    return math.prod(output.shape[2:] if isinstance(operator, Convolution) else output.shape[1:-1])


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
