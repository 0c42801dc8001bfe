"""A range whose codes tell most of how values are distributed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.observers.observer import Observer
from search_spaces.elastic.quantizers import value_range


@dataclass(frozen=True)
class LeastDivergenceRange(Observer):
    """Clips at the absolute value at which codes have the least KL divergence from the values.

    Source: Migacz, "8-bit Inference with TensorRT", 2017: the histogram of absolute values below a threshold, with all
    others in its last bin, is compared with the same histogram merged into as many bins as there are codes on one side
    of 0. Zeros are left out, which every grid holds exactly and which a ReLU makes many of. Of values on one side of 0,
    that side has all codes.

    Attributes:
        bits: Bits of the codes.
        bins: Bins of the histogram.
        stride: Only every so many bins are tried as the threshold.

    Raises:
        ValueError: If the bits are not from 2 to 8, there are fewer bins than codes, or the stride is below 1.
    """

    bits: int = 8
    bins: int = 2048
    stride: int = 16

    def __post_init__(self) -> None:
        if self.bits not in range(2, 9) or not self.bins >= 2**self.bits or not self.stride >= 1:
            raise ValueError(f"ranges are for codes of 2 to 8 bits, and more bins than codes, got {self}")

    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The range of least divergence; the widest of equally good ones."""
        low, high = value_range(activation)
        largest = max(-low, high)
        if not largest > 0:
            return low, high
        values = activation.detach().flatten().double().abs()
        index = (values[values > 0] * (self.bins / largest)).long().clamp_(max=self.bins - 1)
        counts = torch.bincount(index, minlength=self.bins).double()
        levels = 2**self.bits if low >= 0 or high <= 0 else 2 ** (self.bits - 1)
        best, least = self.bins, float("inf")
        for kept in range(self.bins, levels - 1, -self.stride):
            divergence = _divergence(counts, kept, levels)
            if divergence < least:
                best, least = kept, divergence
        threshold = largest * (best / self.bins)
        return min(max(low, -threshold), high), max(min(high, threshold), low)


def _divergence(counts: Tensor, kept: int, levels: int) -> float:
    """KL divergence, in nats, of a histogram cut to some bins from the same one merged into levels.

    Args:
        counts: Number of values of each bin, shape (bins,).
        kept: Number of bins below the threshold; values beyond it count to the last of them.
        levels: Number of levels.
    """
    inside = counts[:kept]
    clipped = inside.clone()
    clipped[-1] += counts[kept:].sum()
    level = torch.arange(kept) * levels // kept
    filled = (inside > 0).double()
    sums, sizes = (torch.bincount(level, weights=one, minlength=levels) for one in (inside, filled))
    merged = (sums / sizes.clamp_min(1))[level] * filled
    if not float(merged.sum()) > 0 or bool(((merged == 0) & (clipped > 0)).any()):
        return float("inf")  # what was clipped lies where nothing else does
    expected, found = clipped / clipped.sum(), merged / merged.sum()
    known = expected > 0
    return float((expected[known] * (expected[known] / found[known]).log()).sum())
