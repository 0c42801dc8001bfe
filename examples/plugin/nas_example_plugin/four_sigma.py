"""A quantiser that clips each channel, so that a single large weight does not make the steps of all weights coarse."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from search_spaces.elastic.weight_steps import SMALLEST_STEP, MaxAbsSteps, Quantizer


@dataclass(frozen=True)
class FourSigma(Quantizer):
    """The largest code stands for four times the root mean square of a channel, or for its largest weight if less."""

    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The step of every output channel, shape (out,)."""
        sigma = weight.detach().flatten(1).square().mean(1).sqrt()
        clipped = 4 * sigma / (2 ** (bits - 1) - 1)
        return MaxAbsSteps().steps(weight, bits).minimum(clipped).clamp_min(SMALLEST_STEP)
