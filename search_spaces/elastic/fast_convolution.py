"""Depthwise and pointwise convolutions that train fast on a CPU.

They compute what `torch.nn.functional.conv2d` computes, up to rounding, with gradients of any order. They use exact
identities where torch, which calls oneDNN, is slow:

- A tap further from the centre of a kernel than the image is wide only ever meets padding, so a 7x7 kernel on a 2x2 map
  is its 3x3 centre; oneDNN has no fast kernel for filters larger than the map.
- The gradient of a depthwise kernel is that of its columns, and oneDNN has a fast weight gradient for kernels of up to
  three columns and any number of rows only. Wider kernels are cut into strips, each of which sees the input moved by
  its offset; on large maps a stride of two is first undone by taking even and odd rows and columns apart.
- In channels_last a convolution of 1x1 kernels is one matrix product over the pixels, without a copy. oneDNN first
  brings weights and gradients into layouts of its own, which costs more than the product where pixels are few: after
  global pooling, the product is 2 to 6 times as fast as the convolution.

The choice by shape follows measurements of oneDNN in channels_last; a wrong choice costs time alone. Other devices and
autocast are left to torch, and so are depthwise convolutions of other types or of kernels that are not square. Strips
are used only where the weight needs a gradient.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

_STRIPS = {1: (1,), 3: (3,), 5: (2, 3), 7: (2, 3, 2)}  # by the columns of a kernel, those of its strips, at most 3
_LARGE = 12  # height and width from which undoing a stride of 2 was measured to save time


def depthwise_conv2d(inputs: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """Convolves every channel with its own kernel.

    Args:
        inputs: Shape (batch, channels, height, width), in any memory format; channels_last is the fast one.
        weight: Shape (channels, 1, kernel, kernel); may be a view.
        bias: Shape (channels,), or None.
        stride: Stride in both axes.
        padding: Number of zeros added on every side.

    Returns:
        Shape (batch, channels, new height, new width).
    """
    kernel = weight.shape[-1]
    if not _accelerated(inputs, weight) or kernel not in _STRIPS or padding != kernel // 2:
        return F.conv2d(inputs, weight, bias, stride, padding, 1, weight.shape[0])
    height, width = inputs.shape[2:]
    rows, columns = (max(padding - side + 1, 0) for side in (height, width))
    weight = weight[:, :, rows : kernel - rows, columns : kernel - columns]
    wide = weight.shape[3] > 3 or not _fits(height, weight.shape[2], stride)
    if not (wide and weight.requires_grad and torch.is_grad_enabled()):
        return F.conv2d(inputs, weight, bias, stride, (padding - rows, padding - columns), 1, weight.shape[0])
    outputs: Tensor = _StripConv2d.apply(inputs, weight, stride)  # type: ignore[no-untyped-call]
    return outputs if bias is None else outputs + bias[:, None, None]


def pointwise_conv2d(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Mixes the channels of every pixel.

    Args:
        inputs: Shape (batch, channels, height, width); what is not in channels_last on a CPU is left to torch.
        weight: Shape (new channels, channels, 1, 1); may be a view.
        bias: Shape (new channels,), or None.

    Returns:
        Shape (batch, new channels, height, width).
    """
    plain = inputs.device.type == "cpu" and inputs.is_contiguous(memory_format=torch.channels_last)
    if not plain or torch.is_autocast_enabled("cpu"):
        return F.conv2d(inputs, weight, bias)
    return F.linear(inputs.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class _StripConv2d(torch.autograd.Function):
    """`conv2d` of centred kernels whose weight gradient is taken strip by strip, by operations that have gradients."""

    @staticmethod
    def forward(inputs: Tensor, weight: Tensor, stride: int) -> Tensor:
        return F.conv2d(inputs, weight, None, stride, _centre(weight), 1, weight.shape[0])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:2])
        ctx.stride = inputs[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        inputs, weight = ctx.saved_tensors
        of_inputs, of_weight = None, None
        if ctx.needs_input_grad[0]:
            of_inputs = _input_gradient(gradients[0], inputs, weight, ctx.stride)
        if ctx.needs_input_grad[1]:
            rows, columns = weight.shape[2:]
            of_weight = _weight_gradient(gradients[0], inputs, rows, columns, ctx.stride)
        return of_inputs, of_weight, None


def _input_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Gradient of the input, by torch: only that of the weight is slow there."""
    mask, strides, ones, none = [True, False, False], [stride, stride], [1, 1], [0, 0]
    return torch.ops.aten.convolution_backward(
        gradient, inputs, weight, none, strides, list(_centre(weight)), ones, False, none, weight.shape[0], mask
    )[0]


def _weight_gradient(gradient: Tensor, inputs: Tensor, rows: int, columns: int, stride: int) -> Tensor:
    """Gradient of a centred kernel, shape (channels, 1, rows, columns)."""
    height, width = inputs.shape[2:]
    if stride == 2 and columns > 3 and min(height, width) >= _LARGE and height % 2 == width % 2 == 0:
        return _taken_apart(gradient, inputs, rows, columns)
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    above, beside = rows // 2, columns // 2
    if not _fits(height, rows, stride):
        inputs = F.pad(inputs, (0, 0, above, stride * (gradient.shape[2] - 1) + rows - height - above))
        above = 0
    strips, start = [], 0
    for strip in _STRIPS[columns]:
        left = beside - start
        if left in (0, 1) and (width + 2 * left - strip) // stride + 1 == gradient.shape[3]:
            moved = inputs
        else:
            moved = F.pad(inputs, (left, stride * (gradient.shape[3] - 1) + strip - width - left))
            left = 0
        shape = (inputs.shape[1], 1, rows, strip)
        strips.append(conv2d_weight(moved, shape, gradient, stride, (above, left), 1, inputs.shape[1]))
        start += strip
    return strips[0] if len(strips) == 1 else torch.cat(strips, 3)


def _taken_apart(gradient: Tensor, inputs: Tensor, rows: int, columns: int) -> Tensor:
    """`_weight_gradient` at stride 2 on even sides: every second tap meets every second pixel alone, at stride 1."""
    found = inputs.new_zeros(inputs.shape[1], 1, rows, columns)
    above, beside = rows // 2, columns // 2
    for i in (0, 1):
        for j in (0, 1):
            reach = 2 * ((above + i) // 2) + 1, 2 * ((beside + j) // 2) + 1
            part = _weight_gradient(gradient, inputs[:, :, i::2, j::2], *reach, stride=1)
            taps = found[:, :, (above + i) % 2 :: 2, (beside + j) % 2 :: 2]
            taps.copy_(part[:, :, : taps.shape[2], : taps.shape[3]])
    return found


def _accelerated(inputs: Tensor, weight: Tensor) -> bool:
    """Whether these are floats on the CPU, in a depthwise convolution of square kernels, that no autocast changes."""
    depthwise = inputs.dim() == 4 and inputs.shape[1] == weight.shape[0] and weight.shape[2] == weight.shape[3]
    plain = inputs.device.type == "cpu" and inputs.dtype == weight.dtype
    return (
        depthwise and plain and inputs.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")
    )


def _fits(height: int, rows: int, stride: int) -> bool:
    """Whether oneDNN is fast with its own padding of rows: not if a kernel is higher than the input (measured)."""
    return height >= rows + -(rows // 2) % stride and (stride == 1 or rows <= 5)


def _centre(weight: Tensor) -> tuple[int, int]:
    """Row and column of the centre of the kernels, which is also their padding."""
    return weight.shape[2] // 2, weight.shape[3] // 2
