"""Double Rounding: weights that serve several bit-widths from one stored integer model.

A weight and one learnt step per output channel give codes of 8 bits, the master codes; codes of fewer bits are made of
these alone. Source: Huang et al., "Nearly Lossless Adaptive Bit Switching", 2025.

The codes of b bits lie in +-(2^(b-1) - 1), the range of the reference quantiser, without the code
-2^(b-1) that the paper allows: only then are the codes of -w the negative codes of w, so that a batch norm that turns
the sign of a channel folds into a positive scale exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

MASTER_BITS = 8
_SMALLEST_STEP = 1e-12


def initial_step(weight: Tensor, lowest_bits: int = MASTER_BITS) -> Tensor:
    """The step of every output channel, shape (out,), at which its largest weight takes a largest code.

    Args:
        weight: Shape (out, ...).
        lowest_bits: Whose largest code that is. The range of b bits is (2^(b-1) - 1) 2^(h-b) master codes, 96 for 3
            bits and 127 for 8, so a step that fits the fewest bits in use clips nothing at any of them.
    """
    reach = _largest_code(lowest_bits) * _stride(lowest_bits)
    return (weight.detach().abs().flatten(1).amax(1) / reach).clamp_min(_SMALLEST_STEP)


def master_codes(weight: Tensor, step: Tensor) -> Tensor:
    """The stored codes of a weight, int8, in its shape (out, ...).

    Args:
        weight: Shape (out, ...).
        step: Shape (out,), what one code stands for.
    """
    limit = _largest_code(MASTER_BITS)
    return _ratio(weight, step).round().clamp(-limit, limit).to(torch.int8)


def lower_codes(codes: Tensor, bits: int) -> Tensor:
    """The codes of fewer bits, int8, in the shape of the master codes: these rounded once more, half to even.

    Args:
        codes: Master codes, any shape.
        bits: From 2 to `MASTER_BITS`, where the codes stay as they are.
    """
    limit = _largest_code(bits)
    return (codes / _stride(bits)).round().clamp(-limit, limit).to(torch.int8)


def lower_scale(step: Tensor, bits: int) -> Tensor:
    """What one of the codes of `lower_codes` stands for, shape (out,).

    Args:
        step: What one master code stands for, shape (out,).
        bits: Of the codes.
    """
    return step.clamp_min(_SMALLEST_STEP) * _stride(bits)


def double_rounding(weight: Tensor, step: Tensor, bits: int) -> Tensor:
    """A weight as its codes of some bits stand for it, differentiable in weight and step.

    Both roundings are straight-through: a weight inside the range gets the gradient as it comes, one that is clipped
    gets none. The step gets the gradient of LSQ (Esser et al., ICLR 2020) summed over its channel, scaled by
    `step_learning_rate_factor`. LSQ's own scaling, 1/sqrt(weights per channel * largest code), is left out: a `Layer`
    learns the logarithm of the step, whose gradient does not depend on the scale of the weights.

    Args:
        weight: Shape (out, ...).
        step: Shape (out,), what one master code stands for.
        bits: From 2 to `MASTER_BITS`.
    """
    rounded: Tensor = _DoubleRounding.apply(weight, step, bits)  # type: ignore[no-untyped-call]
    return rounded


def step_learning_rate_factor(bits: int) -> float:
    """How much slower the steps learn from lower bits, whose gradients are larger (the paper's ALRS).

    This is the simple form, in which the learning rate of some bits is this factor times the common one. As one step
    serves all bits, the factor scales the gradient that these bits send to it, which is the same to stochastic gradient
    descent.
    """
    gap = MASTER_BITS - bits
    return 10 ** (-gap / 2) if gap % 2 == 0 else 5 * 10 ** (-(gap + 1) / 2)


class _DoubleRounding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, step: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(weight, step)
        ctx.bits = bits  # type: ignore[attr-defined]
        codes = lower_codes(master_codes(weight, step), bits)
        return codes * _per_channel(lower_scale(step, bits), codes)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, step = ctx.saved_tensors  # type: ignore[attr-defined]
        bits: int = ctx.bits  # type: ignore[attr-defined]
        stride, ratio = _stride(bits), _ratio(weight, step)
        codes = (ratio.round() / stride).round()
        limit = _largest_code(bits)
        inside = codes.abs() <= limit  # a master code that is clipped is beyond the range of fewer bits, too
        slope = codes.clamp(-limit, limit) * stride - ratio * inside
        scale = step_learning_rate_factor(bits)
        return gradient * inside, (gradient * slope).flatten(1).sum(1) * scale, None


def _largest_code(bits: int) -> int:
    if not 2 <= bits <= MASTER_BITS:
        raise ValueError(f"double rounding serves 2 to {MASTER_BITS} bits, got {bits}")
    return 2 ** (bits - 1) - 1


def _stride(bits: int) -> int:
    """Master codes per code of some bits."""
    return 2 ** (MASTER_BITS - bits)


def _ratio(weight: Tensor, step: Tensor) -> Tensor:
    return weight / _per_channel(step.clamp_min(_SMALLEST_STEP), weight)


def _per_channel(values: Tensor, weight: Tensor) -> Tensor:
    """Values of shape (out,) so that they broadcast over a weight of shape (out, ...)."""
    return values.view(-1, *[1] * (weight.dim() - 1))
