"""A quantiser that clips each channel at four standard deviations: a single large weight does not widen all steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from search_spaces.elastic.weight_steps import SMALLEST_STEP, MaxAbsSteps, Quantizer


@dataclass(frozen=True)
class FourSigma(Quantizer):
    """The largest code stands for four standard deviations about zero, or for the largest weight if that is less."""

    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The step of every output channel, shape (out,)."""
        sigma = weight.detach().flatten(1).square().mean(1).sqrt()
        clipped = 4 * sigma / (2 ** (bits - 1) - 1)
        return MaxAbsSteps().steps(weight, bits).minimum(clipped).clamp_min(SMALLEST_STEP)
