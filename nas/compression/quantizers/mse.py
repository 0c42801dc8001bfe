"""Weights rounded with the least squared error, for which the largest weights are clipped at few bits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.elastic.weight_steps import MaxAbsSteps, Quantizer


@dataclass(frozen=True)
class LeastSquaredError(Quantizer):
    """Clips each channel at the value, of a grid, that gives the least squared error.

    Source: Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1, equation 16; per channel as
    in Choukroun et al., "Low-bit Quantization of Neural Networks for Efficient Inference", 2019, section 4.

    Attributes:
        smallest: The least share of the largest weight that is tried. It lies below 0.3, the best share for normally
            distributed weights at 2 bits.
        count: Number of shares that are tried, evenly spaced up to 1; all channels share this grid.
    """

    smallest: float = 0.2
    count: int = 41

    @torch.no_grad()
    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The step of every output channel, shape (out,); the largest of equally good ones."""
        rows, limit = weight.flatten(1), 2 ** (bits - 1) - 1
        reference = MaxAbsSteps().steps(weight, bits)
        best, least = reference, torch.full_like(reference, torch.inf)
        for share in torch.linspace(1.0, self.smallest, self.count).tolist():
            steps = reference * share
            codes = (rows / steps[:, None]).round_().clamp_(-limit, limit)
            error = codes.mul_(steps[:, None]).sub_(rows).square_().sum(1)
            best = torch.where(error < least, steps, best)
            least = torch.minimum(error, least)
        return best
