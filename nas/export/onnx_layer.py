"""One layer as ONNX sees it: batch norm folded, quantisers as QuantizeLinear and DequantizeLinear.

In: a calibrated `Layer`. Out: a module whose export is the QDQ form that runtimes fuse into integer kernels.
Knows no network and no file.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.layer import HardSigmoid, Layer
from search_spaces.elastic.quantizers import ActivationQuantizer, activation_grid

OPSET = 21
_SMALLEST_SCALE = 1e-12
Attributes = dict[str, int | float | str | bool | Sequence[int] | Sequence[float] | Sequence[str] | Sequence[bool]]


class OnnxLayer(nn.Module):
    """The ONNX form of a layer in evaluation mode.

    Folding is exact under quantisation: a symmetric grid per output channel is scaled with its channel, and as codes
    reach as far down as up, a negative gain only turns their signs.

    Args:
        layer: A layer whose activation quantisers are calibrated.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        gain, shift = _folded_norm(layer)
        bias = shift if layer.op.bias is None else layer.op.bias.detach() * gain + shift
        self.spec = layer.spec
        self.input_quantizer = _onnx_quantizer(layer.input_quantizer, layer.spec.name)
        self.output_quantizer = _onnx_quantizer(layer.output_quantizer, layer.spec.name)
        self.weight = _OnnxWeight(layer, gain, self._least_scale(bias))
        self.bias = nn.Buffer(bias)
        self.activation = _OnnxHardSigmoid() if isinstance(layer.activation, HardSigmoid) else layer.activation
        self.absorbs_activation = layer.spec.activation == "relu"

    def _least_scale(self, bias: Tensor) -> Tensor:
        """The least step of the weights, shape (out,), at which the bias fits an integer accumulator.

        Runtimes store the bias in 32 bits, in steps of input step times weight step. Only a channel whose weights are
        next to nothing is ever coarser than that.
        """
        if not isinstance(self.input_quantizer, _OnnxQuantizer):
            return torch.full_like(bias, _SMALLEST_SCALE)
        return (bias.abs() / (self.input_quantizer.get_buffer("scale") * 2**30)).clamp_min(_SMALLEST_SCALE)

    def forward(self, inputs: Tensor) -> Tensor:
        x, weight = self.input_quantizer(inputs), self.weight()
        if self.spec.kind == "linear":
            x = F.linear(x, weight, self.bias)
        else:
            padding = self.spec.kernel_size // 2
            x = F.conv2d(x, weight, self.bias, self.spec.stride, padding, 1, self.spec.groups)
        if self.absorbs_activation:
            return self.output_quantizer(self.activation(x))
        return self.activation(self.output_quantizer(x))


class _OnnxWeight(nn.Module):
    """A weight times a gain, stored as signed 8-bit codes where it is quantised; fewer bits use fewer of the codes.

    Args:
        layer: Whose weight it is.
        gain: Of every output channel, shape (out,).
        least_scale: The least step of every output channel, shape (out,); a finer one is rounded to it.
    """

    def __init__(self, layer: Layer, gain: Tensor, least_scale: Tensor) -> None:
        super().__init__()
        weight, quantizer = layer.op.weight.detach(), layer.weight_quantizer
        per_channel = (-1, *[1] * (weight.dim() - 1))
        self.quantized = quantizer.bits != FULL_PRECISION_BITS
        if not self.quantized:
            self.register_buffer("value", weight * gain.view(per_channel))
            return
        codes, step = quantizer.codes(weight, layer.weight_step)
        scale = (step * gain.abs()).maximum(least_scale)
        codes = (codes * (step * gain / scale).view(per_channel)).round()
        self.register_buffer("value", codes.to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", torch.zeros(len(scale), dtype=torch.int8))

    def forward(self) -> Tensor:
        value = self.get_buffer("value")
        if not self.quantized:
            return value
        arguments = (value, self.get_buffer("scale"), self.get_buffer("zero_point"))
        return _dequantize(arguments, value.shape, {"axis": 0})


class _OnnxHardSigmoid(nn.Module):
    """One node, for which torch's exporter writes three."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.onnx.ops.symbolic(
            "HardSigmoid", (x,), {"alpha": 1 / 6, "beta": 0.5}, dtype=x.dtype, shape=x.shape, version=OPSET
        )


class _OnnxQuantizer(nn.Module):
    """Rounds an activation to unsigned 8-bit codes; fewer bits are then clipped to the range of fewer codes.

    The clip keeps onnxruntime from running layers below 8 bits as integer ones, whose bias it would round to the
    product of two coarse steps.
    """

    def __init__(self, low: float, high: float, bits: int) -> None:
        super().__init__()
        scale, zero_point = activation_grid(low, high, bits)
        self.clip = None if bits == 8 else (-zero_point * scale, (2**bits - 1 - zero_point) * scale)
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("zero_point", torch.tensor(zero_point, dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        grid = (self.get_buffer("scale"), self.get_buffer("zero_point"))
        codes = torch.onnx.ops.symbolic(
            "QuantizeLinear", (x, *grid), {}, dtype=torch.uint8, shape=x.shape, version=OPSET
        )
        rounded = _dequantize((codes, *grid), x.shape, {})
        return rounded if self.clip is None else rounded.clamp(*self.clip)


def _onnx_quantizer(quantizer: ActivationQuantizer, name: str) -> nn.Module:
    if quantizer.bits == FULL_PRECISION_BITS:
        return nn.Identity()
    if quantizer.range is None:
        raise ValueError(f"the activations of {name} must be calibrated before export")
    return _OnnxQuantizer(*quantizer.range, quantizer.bits)


def _dequantize(arguments: tuple[Tensor, ...], shape: torch.Size, attributes: Attributes) -> Tensor:
    return torch.onnx.ops.symbolic(
        "DequantizeLinear", arguments, attributes, dtype=torch.float32, shape=shape, version=OPSET
    )


def _folded_norm(layer: Layer) -> tuple[Tensor, Tensor]:
    """Gain and shift of every output channel that the normalisation applies, shape (out,) each."""
    norm = layer.norm
    if not isinstance(norm, nn.BatchNorm2d):
        channels = layer.spec.out_channels
        return torch.ones(channels), torch.zeros(channels)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    return gain, norm.bias.detach() - norm.running_mean * gain
