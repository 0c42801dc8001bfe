"""Double Rounding: weights that serve several bit-widths from one stored integer model.

A weight and one learnt step per output channel give codes of 8 bits, the master codes; codes of fewer bits follow from
the master codes alone. Source: Huang et al., "Nearly Lossless Adaptive Bit Switching", 2025.

The codes of b bits lie in +-(2^(b-1) - 1), the range of the reference quantiser, without the code
-2^(b-1) that the paper allows: only then are the codes of -w the negative codes of w, so that a batch norm that turns
the sign of a channel folds into a positive scale exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

MASTER_BITS = 8
_SMALLEST_STEP = 1e-12  # keeps the step of a channel of zeros positive


def initial_step(weight: Tensor, lowest_bits: int = MASTER_BITS) -> Tensor:
    """The step of every output channel, shape (out,), at which its largest weight takes a largest code.

    Args:
        weight: Shape (out, ...).
        lowest_bits: The bits of that largest code. The codes of b bits reach up to the master code
            (2^(b-1) - 1) 2^(8-b), which is 96 for 3 bits and 127 for 8. So a step that fits the fewest bits in use
            clips no weight at more bits.
    """
    reach = _largest_code(lowest_bits) * _stride(lowest_bits)
    return (weight.detach().abs().flatten(1).amax(1) / reach).clamp_min(_SMALLEST_STEP)


def master_codes(weight: Tensor, step: Tensor) -> Tensor:
    """The stored codes of a weight, int8, in its shape (out, ...).

    Args:
        weight: Shape (out, ...).
        step: Step between neighbouring codes, shape (out,).
    """
    limit = _largest_code(MASTER_BITS)
    return _ratio(weight, step).round().clamp(-limit, limit).to(torch.int8)


def lower_codes(codes: Tensor, bits: int) -> Tensor:
    """The codes of fewer bits, int8, in the shape of the master codes, which are rounded once more, half to even.

    Args:
        codes: Master codes, any shape.
        bits: Bits of the result, from 2 to `MASTER_BITS`, which returns the master codes.
    """
    limit = _largest_code(bits)
    return (codes / _stride(bits)).round().clamp(-limit, limit).to(torch.int8)


def lower_scale(step: Tensor, bits: int) -> Tensor:
    """The step between neighbouring codes of `lower_codes`, shape (out,).

    Args:
        step: Step between neighbouring master codes, shape (out,).
        bits: Bits of the codes.
    """
    return step.clamp_min(_SMALLEST_STEP) * _stride(bits)


def double_rounding(weight: Tensor, step: Tensor, bits: int) -> Tensor:
    """A weight rounded to its codes of some bits, differentiable in weight and step.

    Both roundings are straight-through: the gradient passes unchanged to weights inside the range, and is 0 for those
    that are clipped. The step gets the gradient of LSQ (Esser et al., ICLR 2020) summed over its channel, scaled by
    `step_learning_rate_factor`. LSQ's own scaling, 1/sqrt(weights per channel * largest code), is left out: a `Layer`
    learns the logarithm of the step, whose gradient does not depend on the scale of the weights.

    Args:
        weight: Shape (out, ...).
        step: Step between neighbouring master codes, shape (out,).
        bits: Bits of the codes, from 2 to `MASTER_BITS`.
    """
    rounded: Tensor = _DoubleRounding.apply(weight, step, bits)  # type: ignore[no-untyped-call]
    return rounded


def step_learning_rate_factor(bits: int) -> float:
    """The factor, at most 1, on the learning rate of steps at fewer bits, whose gradients are larger (ALRS there).

    This is the simple form, in which the learning rate of some bits is this factor times the common one. As one step
    serves all bits, the factor scales the gradient that these bits send to it, which is the same to stochastic gradient
    descent.
    """
    gap = MASTER_BITS - bits
    return 10 ** (-gap / 2) if gap % 2 == 0 else 5 * 10 ** (-(gap + 1) / 2)


class _DoubleRounding(torch.autograd.Function):
    """See `double_rounding`."""

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
    """The largest code of some bits; raises ValueError unless there are 2 to `MASTER_BITS`."""
    if not 2 <= bits <= MASTER_BITS:
        raise ValueError(f"double rounding serves 2 to {MASTER_BITS} bits, got {bits}")
    return 2 ** (bits - 1) - 1


def _stride(bits: int) -> int:
    """Number of master codes from one code of some bits to the next."""
    return 2 ** (MASTER_BITS - bits)


def _ratio(weight: Tensor, step: Tensor) -> Tensor:
    """A weight in steps, not rounded yet."""
    return weight / _per_channel(step.clamp_min(_SMALLEST_STEP), weight)


def _per_channel(values: Tensor, weight: Tensor) -> Tensor:
    """Values of shape (out,), reshaped to broadcast over a weight of shape (out, ...)."""
    return values.view(-1, *[1] * (weight.dim() - 1))
