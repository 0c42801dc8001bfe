"""Layers as devices store them: with the normalisation folded in, weights as 8-bit codes, and a step for the bias.

Independent of runtimes and of file formats.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.compression.tracing.quantized_graph import find_rounding
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.network_graph import Unit
from search_spaces.operators.pointwise import BatchNorm
from search_spaces.operators.weighted import Embedding

_SMALLEST_SCALE = 1e-12  # instead of a step of 0, for a channel of zeros
# The largest bias in its own steps, half of what 32 bits hold: the sum of the products needs the other half.
_MOST_BIAS = 2**30


@dataclass(frozen=True)
class FoldedLayer:
    """A weight and the gain and the bias that follow it, shape (out,) each.

    Folding a normalisation does not change the codes of a rounded weight: each output channel has its own step, which
    is multiplied by the gain of the channel. The range of codes is symmetric, so a negative gain only changes their
    signs. Where a step would be too fine for the bias, codes are rounded anew.

    Attributes:
        weight: Shape (out, ...).
        gain: What each output channel is multiplied by.
        bias: What is added to it then.
        quantizer: The quantiser of the weight; None leaves it in floating point.
        learnt_step: The learnt step of double rounding, shape (out,); None if none was learnt.
        input_step: The step to which inputs are rounded; None if they are not.
    """

    weight: Tensor
    gain: Tensor
    bias: Tensor
    quantizer: WeightQuantizer | None = None
    learnt_step: Tensor | None = None
    input_step: float | None = None

    @property
    def is_quantized(self) -> bool:
        """Whether the weight is rounded."""
        return self.quantizer is not None and self.quantizer.bits != FULL_PRECISION_BITS

    @property
    def is_integer(self) -> bool:
        """Whether a device can compute it in integers: inputs and weight are rounded, with a step per channel."""
        grouped = self.quantizer is not None and self.quantizer.group_size is not None
        return self.is_quantized and not grouped and self.input_step is not None

    def store(self) -> tuple[Tensor, Tensor]:
        """Signed codes of a rounded weight with one step per output channel, int8, shape (out, ...), and their steps.

        Codes of fewer than 8 bits are multiplied by a power of two, and the step is divided by it. Steps have the shape
        (out,). The smallest are raised so that the bias fits into 32 bits: devices store it as an integer, in units of
        input step times weight step.
        """
        assert self.quantizer is not None
        codes, step = self.quantizer.codes(self.weight, self.learnt_step)
        finer = _finer_codes(self.quantizer.bits)
        scale = (step * self.gain.abs()).maximum(self._least_scale() * finer)
        ratio = (step * self.gain / scale).view(-1, *[1] * (codes.dim() - 1))
        # multiplied after rounding, so that they still have no more bits than those of the policy
        return ((codes * ratio).round() * finer).to(torch.int8), scale / finer

    def round_bias(self) -> Tensor:
        """The bias as devices in integers add it, shape (out,): multiples of input step times weight step."""
        assert self.input_step is not None
        _, scale = self.store()
        grid = torch.tensor(self.input_step, dtype=torch.float32, device=scale.device) * scale.float()
        return (self.bias / grid).round() * grid

    def _least_scale(self) -> Tensor:
        """The least step of the weights, shape (out,); it exceeds only those of weights that are tiny beside a bias."""
        if self.input_step is None:
            return torch.full_like(self.bias, _SMALLEST_SCALE)
        return (self.bias.abs() / (self.input_step * _MOST_BIAS)).clamp_min(_SMALLEST_SCALE)


def fold_layer(layer: Layer) -> FoldedLayer:
    """A layer of a supernet or of a subnet, in evaluation mode.

    Args:
        layer: The layer. Its input counts as rounded once that is calibrated.
    """
    norm, own = layer.norm, layer.op.bias
    weight = layer.op.weight.detach()
    gain, bias = weight.new_ones(len(weight)), weight.new_zeros(len(weight))
    if isinstance(norm, nn.BatchNorm2d):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
        bias = norm.bias.detach() - norm.running_mean * gain
    if own is not None:
        bias = own.detach() * gain + bias
    return FoldedLayer(weight, gain, bias, layer.weight_quantizer, layer.weight_step, layer.input_quantizer.step)


def fold_unit(network: GraphNetwork, unit: Unit) -> FoldedLayer:
    """A call of a weight in a network graph, with its batch norm.

    Args:
        network: The network, in evaluation mode.
        unit: The call: a convolution, linear layer or embedding. Its input counts as rounded once that is calibrated.
    """
    name, *others = unit.call.parameters
    weight = to_output_first(network.tensor(name).detach(), unit.call.operator)
    gain, shift = weight.new_ones(len(weight)), weight.new_zeros(len(weight))
    if unit.norm is not None:
        operator = unit.norm.operator
        assert isinstance(operator, BatchNorm)
        *scaling, mean, variance = (network.tensor(name).detach() for name in unit.norm.parameters)
        factor, shift = scaling or (gain, shift)
        gain = factor / (variance + operator.eps).sqrt()
        shift = shift - mean * gain
    bias = network.tensor(others[0]).detach() * gain + shift if others else shift
    return FoldedLayer(weight, gain, bias, network.weight_quantizer(name), input_step=_find_input_step(network, unit))


def _find_input_step(network: GraphNetwork, unit: Unit) -> float | None:
    """The step to which what a call reads is rounded, maybe some nodes before that only move values."""
    node = find_rounding({node.name: node for node in network.graph.nodes}, unit.call.inputs[0])
    if node is None or isinstance(unit.call.operator, Embedding):
        return None
    quantizer = network.node_module(node.name)
    assert isinstance(quantizer, ActivationQuantizer)
    return quantizer.step


def _finer_codes(bits: int) -> int:
    """The power of two by which codes of fewer than 8 bits are multiplied when they are stored.

    A finer step rounds the bias better. The codes stay below 64: processors without VNNI add pairs of products in 16
    bits, and would overflow with larger ones.
    """
    return max(1, 2 ** (7 - bits))
