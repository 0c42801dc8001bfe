"""The fast depthwise and pointwise convolutions are torch's own, to rounding, with gradients of any order."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from search_spaces.elastic.fast_convolution import depthwise_conv2d, pointwise_conv2d
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

CHANNELS = 5


def drawn(*shape: int, dtype: torch.dtype = torch.float64, format: torch.memory_format | None = None) -> Tensor:
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)
    return numbers.contiguous(memory_format=format or torch.contiguous_format).requires_grad_()


def results(outputs: Tensor, *of: Tensor) -> list[Tensor]:
    """The outputs and the gradients of their weighted sum."""
    return [outputs, *torch.autograd.grad((outputs * drawn(*outputs.shape, dtype=outputs.dtype)).sum(), of)]


@pytest.mark.parametrize("format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("sides", [(1, 1), (2, 2), (3, 3), (7, 6), (16, 2), (14, 12)])
def test_depthwise_is_torchs_convolution(
    format: torch.memory_format, stride: int, kernel: int, sides: tuple[int, int]
) -> None:
    inputs = drawn(3, CHANNELS, *sides, dtype=torch.float32, format=format)
    weight, bias = (drawn(*shape, dtype=torch.float32) for shape in ((CHANNELS, 1, kernel, kernel), (CHANNELS,)))
    expected = F.conv2d(inputs, weight, bias, stride, kernel // 2, 1, CHANNELS)
    found = depthwise_conv2d(inputs, weight, bias, stride, kernel // 2)
    for ours, theirs in zip(results(found, inputs, weight, bias), results(expected, inputs, weight, bias), strict=True):
        # sums of up to 504 products: rounding gives 3e-6 at most, a tap in the wrong place 1e-1
        torch.testing.assert_close(ours, theirs, rtol=0, atol=3e-5 * float(theirs.detach().abs().max()))


@pytest.mark.parametrize(("side", "kernel", "stride"), [(2, 5, 1), (3, 5, 2), (4, 7, 1), (6, 7, 2), (12, 7, 2)])
def test_depthwise_has_second_derivatives(side: int, kernel: int, stride: int) -> None:
    def convolve(inputs: Tensor, weight: Tensor) -> Tensor:
        return depthwise_conv2d(inputs, weight, None, stride, kernel // 2)

    arguments = (drawn(2, 2, side, side, format=torch.channels_last), drawn(2, 1, kernel, kernel))
    assert torch.autograd.gradcheck(convolve, arguments)
    assert torch.autograd.gradgradcheck(convolve, arguments)


@pytest.mark.parametrize("format", [torch.channels_last, torch.contiguous_format])
def test_pointwise_is_torchs_convolution(format: torch.memory_format) -> None:
    for side in (1, 4):
        inputs, weight, bias = drawn(3, CHANNELS, side, side, format=format), drawn(6, CHANNELS, 1, 1), drawn(6)
        expected = results(F.conv2d(inputs, weight, bias), inputs, weight, bias)
        found = results(pointwise_conv2d(inputs, weight, bias), inputs, weight, bias)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_views_get_the_gradient_of_what_they_view() -> None:
    shared = drawn(2 * CHANNELS, 1, 9, 9, format=torch.channels_last)
    layer = Layer(
        LayerSpec.conv("a", Convolution.square(CHANNELS, CHANNELS, 7, 1, CHANNELS), 6, normalized=False), device="meta"
    )
    inputs = drawn(2, CHANNELS, 6, 6, format=torch.channels_last)
    view = shared[:CHANNELS, :, 1:-1, 1:-1]
    found = results(functional_call(layer, {"op.weight": view}, (inputs,)), shared)
    expected = results(F.conv2d(inputs, view, None, 1, 3, 1, CHANNELS), shared)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_other_devices_and_types_are_left_to_torch() -> None:
    inputs, weight = drawn(2, CHANNELS, 8, 8, dtype=torch.float32), drawn(CHANNELS, 1, 7, 7, dtype=torch.float32)
    assert depthwise_conv2d(inputs.to("meta"), weight.to("meta"), None, 2, 3).shape == (2, CHANNELS, 4, 4)
    assert pointwise_conv2d(inputs.to("meta"), torch.empty(6, CHANNELS, 1, 1, device="meta"), None).shape[1] == 6
    with torch.autocast("cpu", torch.bfloat16):
        found = depthwise_conv2d(inputs, weight, None, 1, 3)
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found, F.conv2d(inputs, weight, None, 1, 3, 1, CHANNELS))
