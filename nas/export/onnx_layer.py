"""One layer as ONNX sees it: batch norm folded, quantisers as QuantizeLinear and DequantizeLinear (QDQ).

Its modules are exported as the nodes that runtimes fuse into integer kernels. Independent of networks and of files.
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

OPSET = 21
_SMALLEST_SCALE = 1e-12  # of a channel of zeros, whose step would be 0
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
    """A convolution by torch's own operation: fast forms would be exported as what they consist of.

    Args:
        operator: Of 1 or 2 axes.
        inputs: Shape (batch, channels, ...).
        weight: As torch stores it.
        bias: Shape (out,), if there is one.
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
    """The least step of the weights, shape (out,), at which the bias fits an integer accumulator.

    Runtimes store the bias in 32 bits, in steps of input step times weight step. Only a channel whose weights are next
    to nothing is ever coarser than that.

    Args:
        bias: Shape (out,).
        input_quantizer: Of the layer's input; any module but an `OnnxQuantizer` stands for none.
    """
    if not isinstance(input_quantizer, OnnxQuantizer):
        return torch.full_like(bias, _SMALLEST_SCALE)
    # up to 2**30: the bias takes half of the range at most, the products of inputs and weights have the other
    return (bias.abs() / (input_quantizer.get_buffer("scale") * 2**30)).clamp_min(_SMALLEST_SCALE)


class OnnxWeight(nn.Module):
    """A weight times a gain, stored as signed 8-bit codes where it is quantised; fewer bits use every so many of them.

    Args:
        weight: Shape (out, ...).
        quantizer: What rounds it; None leaves it as it is.
        gain: Of every output channel, shape (out,).
        least_scale: The least step of every output channel, shape (out,); a finer one is rounded to it.
        step: The learnt step of double rounding, shape (out,), if there is one.
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
    """How many stored codes are one code of fewer bits than 8; exact, as it is a power of two.

    Runtimes round the bias to the product of the steps of input and weight, so the finer the stored step, the better.
    Codes stay below 64, at which processors without VNNI, which add pairs of products in 16 bits, do not saturate.
    """
    return max(1, 2 ** (7 - bits))


def apply_hard_sigmoid(x: Tensor) -> Tensor:
    """A hard sigmoid of an input of any shape, as the one node for which torch's exporter writes three."""
    return torch.onnx.ops.symbolic(
        "HardSigmoid", (x,), {"alpha": 1 / 6, "beta": 0.5}, dtype=x.dtype, shape=x.shape, version=OPSET
    )


class OnnxQuantizer(nn.Module):
    """Rounds an activation to unsigned 8-bit codes; fewer bits are then clipped to the range of fewer codes.

    The clip keeps onnxruntime from running layers below 8 bits as integer ones, whose bias it would round to the
    product of two coarse steps.

    Args:
        low: The lowest value of the calibrated range.
        high: The highest.
        bits: Of a code, 8 or fewer.
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
        quantizer: Of an activation.
        name: Of its layer or value, for the error.

    Raises:
        ValueError: If it is not calibrated.
    """
    if quantizer.bits == FULL_PRECISION_BITS:
        return nn.Identity()
    if quantizer.range is None:
        raise ValueError(f"the activations of {name} must be calibrated before export")
    return OnnxQuantizer(*quantizer.range, quantizer.bits)


def dequantize(arguments: tuple[Tensor, ...], shape: torch.Size, attributes: Attributes) -> Tensor:
    """One DequantizeLinear.

    Args:
        arguments: Codes, of the shape; step and zero point, each of shape () or (channels,).
        shape: Of the output.
        attributes: Of the node, such as the `axis` of the channels.
    """
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
