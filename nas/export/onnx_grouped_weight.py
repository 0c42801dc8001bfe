"""Weights with a step for each group of inputs, as blocked DequantizeLinear nodes (opset 21).

Runtimes have integer kernels for one step per output channel only, so such a weight is computed with in floating point.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.export.onnx_layer import dequantize
from search_spaces.elastic.quantizers import WeightQuantizer


class OnnxGroupedWeight(nn.Module):
    """A weight that is stored as codes of groups of inputs; it takes the place of an `OnnxWeight`.

    The codes are those of the quantiser: a batch norm that is folded in changes steps and signs only.

    Args:
        weight: Weight, shape (out, in, ...).
        quantizer: The quantiser of the weight, with a group size.
        gain: Gain of each output channel, shape (out,).
        transposed: Whether a weight of shape (out, in) is stored as (in, out), as products of matrices read it.
    """

    quantized = True

    def __init__(self, weight: Tensor, quantizer: WeightQuantizer, gain: Tensor, transposed: bool) -> None:
        super().__init__()
        codes, steps = quantizer.codes(weight)
        signed = (codes * gain.sign().to(torch.int8).view(-1, *[1] * (weight.dim() - 1))).flatten(1)
        scale = steps.float().view(len(weight), -1) * gain.abs()[:, None]
        self.axis, self._block = int(transposed), signed.shape[1] // scale.shape[1]
        self._shape = torch.Size((weight.shape[1], len(weight))) if transposed else weight.shape
        # An axis of groups, which a Reshape takes away: onnxruntime (seen in 1.31) takes a DequantizeLinear right
        # before a MatMul of rounded inputs for one of a step per column, and cannot run what it makes of both.
        blocks = signed.view(len(weight), -1, self._block)
        self.register_buffer("value", blocks.permute(1, 2, 0).contiguous() if transposed else blocks)
        self.register_buffer("scale", scale.T[:, None].contiguous() if transposed else scale[..., None])

    def forward(self) -> Tensor:
        value, axis = self.get_buffer("value"), 1 if self.axis else 2
        arguments = (value, self.get_buffer("scale"))
        return dequantize(arguments, value.shape, {"axis": axis, "block_size": self._block}).reshape(self._shape)
