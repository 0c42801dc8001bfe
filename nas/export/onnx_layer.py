"""Modules that torch's exporter writes as the ONNX nodes that runtimes fuse into integer kernels.

Batch norms are folded into weights, and quantisers become pairs of QuantizeLinear and DequantizeLinear (QDQ).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.folded_layer import FoldedLayer, fold_layer
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer, activation_grid
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.layer_spec import RELU
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.weighted import Convolution

OPSET = 21  # version of the ONNX operators
Attributes = dict[str, int | float | str | bool | Sequence[int] | Sequence[float] | Sequence[str] | Sequence[bool]]


class OnnxLayer(nn.Module):
    """The ONNX form of a layer in evaluation mode.

    Args:
        layer: A layer whose activation quantisers are calibrated.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        folded = fold_layer(layer)
        self.spec = layer.spec
        self.input_quantizer = create_onnx_quantizer(layer.input_quantizer, layer.spec.name)
        self.output_quantizer = create_onnx_quantizer(layer.output_quantizer, layer.spec.name)
        self.weight = OnnxWeight(folded)
        self.bias = nn.Buffer(folded.bias)

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


class OnnxWeight(nn.Module):
    """A weight times the gain of its layer; if it is quantised, it is stored as signed 8-bit codes.

    Args:
        layer: The layer.
        transposed: Whether a weight of shape (out, in, ...) is stored as (in, out, ...), as products of matrices and
            transposed convolutions read it.
    """

    def __init__(self, layer: FoldedLayer, transposed: bool = False) -> None:
        super().__init__()
        self.quantized, self.axis = layer.is_quantized, int(transposed)
        if self.quantized:
            value, scale = layer.store()
            self.register_buffer("scale", scale)
            self.register_buffer("zero_point", torch.zeros(len(scale), dtype=torch.int8))
        else:
            value = layer.weight * layer.gain.view(-1, *[1] * (layer.weight.dim() - 1))
        self.register_buffer("value", value.transpose(0, 1).contiguous() if transposed else value)

    def forward(self) -> Tensor:
        value = self.get_buffer("value")
        if not self.quantized:
            return value
        arguments = (value, self.get_buffer("scale"), self.get_buffer("zero_point"))
        return dequantize(arguments, value.shape, {"axis": self.axis})


def apply_hard_sigmoid(x: Tensor) -> Tensor:
    """A hard sigmoid of an input of any shape as one ONNX node; torch's exporter would write three."""
    return torch.onnx.ops.symbolic(
        "HardSigmoid", (x,), {"alpha": 1 / 6, "beta": 0.5}, dtype=x.dtype, shape=x.shape, version=OPSET
    )


class OnnxQuantizer(nn.Module):
    """Rounds an activation to unsigned 8-bit codes; for fewer bits, these are then clipped.

    It is the codes that are clipped, so that what reads and what makes them runs in integers nevertheless.

    Args:
        low: Lowest value of the calibrated range.
        high: Highest value of the calibrated range.
        bits: Bits of a code, 8 or fewer.
    """

    def __init__(self, low: float, high: float, bits: int) -> None:
        super().__init__()
        scale, zero_point = activation_grid(low, high, bits)
        self.clipped = bits < 8
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("zero_point", torch.tensor(zero_point, dtype=torch.uint8))
        self.register_buffer("lowest", torch.tensor(0, dtype=torch.uint8))
        self.register_buffer("highest", torch.tensor(2**bits - 1, dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        grid = (self.get_buffer("scale"), self.get_buffer("zero_point"))
        codes = torch.onnx.ops.symbolic(
            "QuantizeLinear", (x, *grid), {}, dtype=torch.uint8, shape=x.shape, version=OPSET
        )
        if self.clipped:
            limits = (self.get_buffer("lowest"), self.get_buffer("highest"))
            codes = torch.onnx.ops.symbolic(
                "Clip", (codes, *limits), {}, dtype=torch.uint8, shape=x.shape, version=OPSET
            )
        return dequantize((codes, *grid), x.shape, {})


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
