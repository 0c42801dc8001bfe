"""Quantisers as modules: they round float tensors to a grid of few values, with straight-through gradients.

Weights are symmetric per output channel or group of inputs, with the steps of a `Quantizer`, or learnt ones by double
rounding;
activations are asymmetric per tensor. Independent of layers and of policies.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.double_rounding import double_rounding, lower_codes, lower_scale, master_codes
from search_spaces.elastic.weight_steps import SMALLEST_STEP, MaxAbsSteps, Quantizer, to_step_rows

REFERENCE = MaxAbsSteps()
_PRODUCER = "rounded_by"  # attribute under which a rounded tensor keeps its quantiser


def activation_grid(low: float, high: float, bits: int) -> tuple[float, int]:
    """Step and zero point of unsigned codes over a range, which is widened to contain 0.

    Args:
        low: Lowest value of the range.
        high: Highest value of the range.
        bits: Bits of a code.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / (2**bits - 1), SMALLEST_STEP)
    return scale, round(-low / scale)


def value_range(activation: Tensor) -> tuple[float, float]:
    """The lowest and the highest value of a tensor of any shape.

    The tensor is read in the order of memory; any other order takes several times as long.
    """
    values = activation.detach()
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        values = values.permute(0, 2, 3, 1)
    low, high = values.flatten().aminmax()
    return low.item(), high.item()


class WeightQuantizer(nn.Module):
    """Fake-quantises a weight of shape (out, ...): symmetric, one step per output channel or per group of inputs.

    Args:
        bits: Bits of a code; 32 returns the input object unchanged.
        quantizer: Chooses the steps of weights that have not learnt theirs.
        group_size: Consecutive input channels that share a step; None if an output channel has one step.
    """

    def __init__(self, bits: int, quantizer: Quantizer = REFERENCE, group_size: int | None = None) -> None:
        super().__init__()
        self.bits, self.quantizer, self.group_size = bits, quantizer, group_size

    def forward(self, weight: Tensor, step: Tensor | None = None) -> Tensor:
        """The rounded weight; by double rounding if a learnt `step` of shape (out,) is given."""
        if self.bits == FULL_PRECISION_BITS:
            return weight
        if step is not None:
            return double_rounding(weight, step, self.bits)
        limit = 2 ** (self.bits - 1) - 1
        scale = self.steps(weight)
        zeros = torch.zeros_like(scale, dtype=torch.int32)
        rows = to_step_rows(weight, self.group_size)
        return torch.fake_quantize_per_channel_affine(rows, scale.float(), zeros, 0, -limit, limit).view_as(weight)

    def steps(self, weight: Tensor) -> Tensor:
        """The steps that the quantiser chooses, shape (out,); of groups, shape (out * in / group_size,), by output.

        Args:
            weight: Shape (out, in, ...).
        """
        return self.quantizer.steps(to_step_rows(weight, self.group_size), self.bits)

    @torch.no_grad()
    def codes(self, weight: Tensor, step: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The codes and steps that a device stores for the rounded weight.

        Args:
            weight: Shape (out, ...).
            step: The learnt step of double rounding, shape (out,); None if no step is learnt.

        Returns:
            Codes, int8, in the shape of the weight, from -(2^(bits - 1) - 1) to 2^(bits - 1) - 1; and the step by which
            they are multiplied, as `steps` gives them.

        Raises:
            ValueError: If the quantiser has 32 bits, and so no codes.
        """
        if self.bits == FULL_PRECISION_BITS:
            raise ValueError(f"weights have codes below {FULL_PRECISION_BITS} bits only")
        if step is not None:
            return lower_codes(master_codes(weight, step), self.bits), lower_scale(step, self.bits)
        limit = 2 ** (self.bits - 1) - 1
        scale = self.steps(weight)
        rows = to_step_rows(weight, self.group_size)
        codes = (rows / scale.view(-1, *[1] * (weight.dim() - 1))).round().clamp(-limit, limit)
        return codes.view_as(weight).to(torch.int8), scale


class ActivationQuantizer(nn.Module):
    """Fake-quantises an activation: asymmetric, one step per tensor.

    A tensor that comes directly from an activation quantiser of the same bits is returned as it is: a runtime rounds it
    once, and a second grid would round it again.

    Args:
        bits: Bits of a code; 32 returns the input object unchanged.

    Attributes:
        range: Calibrated lowest and highest value. None quantises dynamically, over the range of each batch.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.range: tuple[float, float] | None = None

    @property
    def step(self) -> float | None:
        """The step of the calibrated range; None at full precision, and where no range is calibrated."""
        if self.bits == FULL_PRECISION_BITS or self.range is None:
            return None
        return activation_grid(*self.range, self.bits)[0]

    def forward(self, activation: Tensor, overwrite: bool = False) -> Tensor:
        """Rounds an activation.

        Args:
            activation: Tensor of any shape and memory format.
            overwrite: Whether nothing else reads the tensor, so that the result may be written into its memory where no
                gradient is needed.
        """
        if self.bits == FULL_PRECISION_BITS or self.producer(activation):
            return activation
        low, high = self.range or value_range(activation)
        if not (math.isfinite(low) and math.isfinite(high)):
            return activation  # no grid covers it; the training sees the loss
        scale, zero_point = activation_grid(low, high, self.bits)
        grid = (scale, zero_point, 2**self.bits - 1)
        needs_gradient = torch.is_grad_enabled() and activation.requires_grad
        if overwrite and activation.dtype == torch.float32 and not needs_gradient:
            rounded = _overwrite_with_codes(activation, *grid)
        else:
            rounded = _ToGrid.apply(activation, *grid)  # type: ignore[no-untyped-call]
        setattr(rounded, _PRODUCER, self)
        return rounded

    def producer(self, activation: Tensor) -> ActivationQuantizer | None:
        """The quantiser of the same bits that made the activation (any shape) itself; None if there is none."""
        made_by: ActivationQuantizer | None = getattr(activation, _PRODUCER, None)
        return made_by if made_by is not None and made_by.bits == self.bits else None


def _inverse(scale: float) -> float:
    """The reciprocal in single precision, as torch's kernel computes it."""
    return torch.tensor(scale, dtype=torch.float32).reciprocal().item()


def _overwrite_with_codes(activation: Tensor, scale: float, zero_point: int, largest: int) -> Tensor:
    """What `_ToGrid` computes, in the memory of the activation."""
    return activation.mul_(_inverse(scale)).round_().clamp_(-zero_point, largest - zero_point).mul_(scale)


class _ToGrid(torch.autograd.Function):
    """What `torch.fake_quantize_per_tensor_affine` computes, bit for bit, and its gradient; several times as fast."""

    @staticmethod
    def forward(ctx: Any, activation: Tensor, scale: float, zero_point: int, largest: int) -> Tensor:
        low, high = -zero_point, largest - zero_point
        codes = (activation.float() * _inverse(scale)).round_()
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward((codes >= low) & (codes <= high))
        return codes.clamp_(low, high).mul_(scale).to(activation.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None
