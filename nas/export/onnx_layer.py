"""Modules that torch's exporter writes as the ONNX nodes that runtimes fuse into integer kernels.

Batch norms are folded into weights, and quantisers become pairs of QuantizeLinear and DequantizeLinear (QDQ).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer, activation_grid
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.layer_spec import RELU
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.weighted import Convolution

OPSET = 21  # version of the ONNX operators
_SMALLEST_SCALE = 1e-12  # instead of a step of 0, for a channel of zeros
Attributes = dict[str, int | float | str | bool | Sequence[int] | Sequence[float] | Sequence[str] | Sequence[bool]]


class OnnxLayer(nn.Module):
    """The ONNX form of a layer in evaluation mode.

    Folding a batch norm does not change the codes of quantised weights: each output channel has its own step, which is
    multiplied by the gain of the channel. The range of codes is symmetric, so a negative gain only changes their signs.
    Where a step would be too fine for the bias (`find_least_weight_scale`), codes are rounded anew.

    Args:
        layer: A layer whose activation quantisers are calibrated.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        gain, shift = _folded_norm(layer)
        bias = shift if layer.op.bias is None else layer.op.bias.detach() * gain + shift
        self.spec = layer.spec
        self.input_quantizer = create_onnx_quantizer(layer.input_quantizer, layer.spec.name)
        self.output_quantizer = create_onnx_quantizer(layer.output_quantizer, layer.spec.name)
        least_scale = find_least_weight_scale(bias, self.input_quantizer)
        self.weight = OnnxWeight(layer.op.weight.detach(), layer.weight_quantizer, gain, least_scale, layer.weight_step)
        self.bias = nn.Buffer(bias)

    def forward(self, inputs: Tensor) -> Tensor:
        x, weight = self.input_quantizer(inputs), self.weight()
        operator, activation = self.spec.operator, self.spec.activation
        if isinstance(operator, Convolution):
            x = convolve(operator, x, weight, self.bias)
        else:
            x = F.linear(x, weight, self.bias)
        if activation == RELU:
            return self.output_quantizer(x.relu())
        x = self.output_quantizer(x)
        if activation == Activation("hard_sigmoid"):
            return apply_hard_sigmoid(x)
        return x if activation is None else run_operator(activation, [x])


def convolve(operator: Convolution, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution by the general operation of torch, which is exported as one node.

    Args:
        operator: A convolution along 1 or 2 axes.
        inputs: Activations, shape (batch, channels, ...).
        weight: Weight in the layout of torch.
        bias: Bias, shape (out,); None for no bias.
    """
    padding = [before for before, _ in operator.padding]
    if any(before != after for before, after in operator.padding) and not operator.transposed:
        inputs = F.pad(inputs, [side for sides in reversed(operator.padding) for side in sides])
        padding = [0] * len(padding)
    return torch.convolution(
        inputs,
        weight,
        bias,
        operator.stride,
        padding,
        operator.dilation,
        operator.transposed,
        operator.output_padding or (0,) * len(operator.kernel),
        operator.groups,
    )


def find_least_weight_scale(bias: Tensor, input_quantizer: nn.Module) -> Tensor:
    """The least step of the weights, shape (out,), at which the bias fits into 32 bits.

    Runtimes store the bias as an integer, in units of input step times weight step. The least step exceeds the step of
    a channel only if its weights are tiny beside its bias.

    Args:
        bias: Bias, shape (out,).
        input_quantizer: The quantiser of the layer's input; any module but an `OnnxQuantizer` means that the input is
            not rounded.
    """
    if not isinstance(input_quantizer, OnnxQuantizer):
        return torch.full_like(bias, _SMALLEST_SCALE)
    # at most 2**30, half of the range of 32 bits: the sum of the products needs the other half
    return (bias.abs() / (input_quantizer.get_buffer("scale") * 2**30)).clamp_min(_SMALLEST_SCALE)


class OnnxWeight(nn.Module):
    """A weight times a gain per output channel; if it is quantised, it is stored as signed 8-bit codes.

    Codes of fewer than 8 bits are multiplied by a power of two, and the step is divided by it.

    Args:
        weight: Weight, shape (out, ...).
        quantizer: The quantiser of the weight; None leaves the weight in floating point.
        gain: Gain of each output channel, shape (out,).
        least_scale: Least step of each output channel, shape (out,); a smaller step is raised to it.
        step: Learnt step of double rounding, shape (out,); None if none was learnt.
        transposed: Whether a weight of shape (out, in, ...) is stored as (in, out, ...), as products of matrices and
            transposed convolutions read it.
    """

    def __init__(
        self,
        weight: Tensor,
        quantizer: WeightQuantizer | None,
        gain: Tensor,
        least_scale: Tensor,
        step: Tensor | None = None,
        transposed: bool = False,
    ) -> None:
        super().__init__()
        per_channel = (-1, *[1] * (weight.dim() - 1))
        self.quantized = quantizer is not None and quantizer.bits != FULL_PRECISION_BITS
        self.axis = int(transposed)
        value = weight * gain.view(per_channel)
        if quantizer is not None and self.quantized:
            codes, step = quantizer.codes(weight, step)
            finer = _finer_codes(quantizer.bits)
            codes, step = codes * finer, step / finer
            scale = (step * gain.abs()).maximum(least_scale)
            value = (codes * (step * gain / scale).view(per_channel)).round().to(torch.int8)
            self.register_buffer("scale", scale)
            self.register_buffer("zero_point", torch.zeros(len(scale), dtype=torch.int8))
        self.register_buffer("value", value.transpose(0, 1).contiguous() if transposed else value)

    def forward(self) -> Tensor:
        value = self.get_buffer("value")
        if not self.quantized:
            return value
        arguments = (value, self.get_buffer("scale"), self.get_buffer("zero_point"))
        return dequantize(arguments, value.shape, {"axis": self.axis})


def _finer_codes(bits: int) -> int:
    """The power of two by which codes of fewer than 8 bits are multiplied when they are stored.

    Runtimes round the bias to a multiple of the product of the steps of input and weight, so a finer stored step rounds
    it better. The codes stay below 64: processors without VNNI add pairs of products in 16 bits, and would overflow
    with larger ones.
    """
    return max(1, 2 ** (7 - bits))


def apply_hard_sigmoid(x: Tensor) -> Tensor:
    """A hard sigmoid of an input of any shape as one ONNX node; torch's exporter would write three."""
    return torch.onnx.ops.symbolic(
        "HardSigmoid", (x,), {"alpha": 1 / 6, "beta": 0.5}, dtype=x.dtype, shape=x.shape, version=OPSET
    )


class OnnxQuantizer(nn.Module):
    """Rounds an activation to unsigned 8-bit codes; for fewer bits, the values are then clipped to the range of these.

    Because of the clip, onnxruntime does not run layers below 8 bits as integer layers. It would round their bias to a
    multiple of the product of two coarse steps.

    Args:
        low: Lowest value of the calibrated range.
        high: Highest value of the calibrated range.
        bits: Bits of a code, 8 or fewer.
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
        rounded = dequantize((codes, *grid), x.shape, {})
        return rounded if self.clip is None else rounded.clamp(*self.clip)


def create_onnx_quantizer(quantizer: ActivationQuantizer, name: str) -> nn.Module:
    """The ONNX form of a calibrated quantiser; at full precision, a module that does nothing.

    Args:
        quantizer: The quantiser of an activation.
        name: Name of the layer or value in the error.

    Raises:
        ValueError: If the quantiser rounds and has no calibrated range.
    """
    if quantizer.bits == FULL_PRECISION_BITS:
        return nn.Identity()
    if quantizer.range is None:
        raise ValueError(f"the activations of {name} must be calibrated before export")
    return OnnxQuantizer(*quantizer.range, quantizer.bits)


def dequantize(arguments: tuple[Tensor, ...], shape: torch.Size, attributes: Attributes) -> Tensor:
    """A DequantizeLinear node.

    Args:
        arguments: Codes, of shape `shape`, and their step and zero point, each of shape () or (channels,).
        shape: Shape of the output.
        attributes: Attributes of the node, such as the `axis` of the channels.
    """
    return torch.onnx.ops.symbolic(
        "DequantizeLinear", arguments, attributes, dtype=torch.float32, shape=shape, version=OPSET
    )


def _folded_norm(layer: Layer) -> tuple[Tensor, Tensor]:
    """The gain and the shift of each output channel that stand for the batch norm of a layer, shape (out,) each."""
    norm = layer.norm
    if not isinstance(norm, nn.BatchNorm2d):
        channels = layer.spec.out_channels
        return torch.ones(channels), torch.zeros(channels)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    return gain, norm.bias.detach() - norm.running_mean * gain
