"""The reference quantiser as modules with straight-through gradients.

In: float tensors. Out: the same tensors rounded to a grid of few values. Knows no layer and no policy.
Weights are symmetric per output channel, activations asymmetric per tensor. Weights with a learnt
step are rounded by double rounding.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.double_rounding import double_rounding, lower_codes, lower_scale, master_codes

_SMALLEST_SCALE = 1e-12
_PRODUCER = "rounded_by"  # attribute of a tensor that a quantiser has made


def weight_scale(weight: Tensor, bits: int) -> Tensor:
    """Step of every output channel, shape (out,), that maps the largest weight to the largest code."""
    largest = weight.detach().abs().flatten(1).amax(1)
    return (largest / (2 ** (bits - 1) - 1)).clamp_min(_SMALLEST_SCALE)


def activation_grid(low: float, high: float, bits: int) -> tuple[float, int]:
    """Step and zero point of an unsigned grid over [low, high], widened so that 0 is a code."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / (2**bits - 1), _SMALLEST_SCALE)
    return scale, round(-low / scale)


class WeightQuantizer(nn.Module):
    """Fake-quantises a weight of shape (out, ...): symmetric, one step per output channel.

    Args:
        bits: Bits of a code; 32 returns the input object unchanged.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, weight: Tensor, step: Tensor | None = None) -> Tensor:
        """Rounds a weight, by double rounding where it has a learnt step, shape (out,)."""
        if self.bits == FULL_PRECISION_BITS:
            return weight
        if step is not None:
            return double_rounding(weight, step, self.bits)
        limit = 2 ** (self.bits - 1) - 1
        scale = weight_scale(weight, self.bits)
        zeros = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale.float(), zeros, 0, -limit, limit)

    @torch.no_grad()
    def codes(self, weight: Tensor, step: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What a device stores of the rounded weight.

        Returns:
            Codes, int8, in the shape of the weight and at most 2^(bits - 1) - 1 either way; and what a code of 1 stands
            for, shape (out,).

        Raises:
            ValueError: If the quantiser is one of 32 bits, which has no codes.
        """
        if self.bits == FULL_PRECISION_BITS:
            raise ValueError(f"weights have codes below {FULL_PRECISION_BITS} bits only")
        if step is not None:
            return lower_codes(master_codes(weight, step), self.bits), lower_scale(step, self.bits)
        limit = 2 ** (self.bits - 1) - 1
        scale = weight_scale(weight, self.bits)
        codes = (weight / scale.view(-1, *[1] * (weight.dim() - 1))).round().clamp(-limit, limit)
        return codes.to(torch.int8), scale


class ActivationQuantizer(nn.Module):
    """Fake-quantises an activation: asymmetric, one step per tensor.

    What another one of the same bits has just rounded is returned as it is: a second grid would round again, which no
    runtime does.

    Args:
        bits: Bits of a code; 32 returns the input object unchanged.

    Attributes:
        range: Calibrated lowest and highest value. None quantises dynamically, over the range of each batch.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.range: tuple[float, float] | None = None

    def forward(self, activation: Tensor) -> Tensor:
        if self.bits == FULL_PRECISION_BITS or self.producer(activation):
            return activation
        low, high = self.range or (bound.item() for bound in activation.detach().aminmax())
        if not (math.isfinite(low) and math.isfinite(high)):
            return activation  # has no grid; whoever trains it sees the loss
        scale, zero_point = activation_grid(low, high, self.bits)
        rounded: Tensor = _ToGrid.apply(activation, scale, zero_point, 2**self.bits - 1)  # type: ignore[no-untyped-call]
        setattr(rounded, _PRODUCER, self)
        return rounded

    def producer(self, activation: Tensor) -> ActivationQuantizer | None:
        """The quantiser of the same bits that has just made the activation, if one has."""
        made_by: ActivationQuantizer | None = getattr(activation, _PRODUCER, None)
        return made_by if made_by is not None and made_by.bits == self.bits else None


class _ToGrid(torch.autograd.Function):
    """What `torch.fake_quantize_per_tensor_affine` computes, bit for bit, and its gradient; several times as fast."""

    @staticmethod
    def forward(ctx: Any, activation: Tensor, scale: float, zero_point: int, largest: int) -> Tensor:
        inverse = torch.tensor(scale, dtype=torch.float32).reciprocal().item()
        low, high = -zero_point, largest - zero_point
        codes = (activation.float() * inverse).round_()
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward((codes >= low) & (codes <= high))
        return codes.clamp_(low, high).mul_(scale).to(activation.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None
