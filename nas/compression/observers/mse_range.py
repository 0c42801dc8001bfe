"""A range at which rounding has the least squared error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.observers.observer import Observer
from search_spaces.elastic.quantizers import activation_grid, value_range

_SHARES = torch.linspace(1.0, 0.2, 33).tolist()
_MOST = 2**17  # values of an activation that are counted: more of them change less than the next share does


@dataclass(frozen=True)
class LeastSquaredErrorRange(Observer):
    """Clips both ends at the share, of a grid, at which codes of some bits have the least squared error.

    Source: Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1, equation 16. A histogram
    of 131,072 evenly spaced values, or of all if there are fewer, stands for them; zeros are left out, which every
    grid holds exactly and which a ReLU makes many of.

    Attributes:
        bits: Bits of the codes for which the range is best.
        bins: Bins of the histogram.

    Raises:
        ValueError: If the bits are not from 2 to 8, or there are fewer bins than codes.
    """

    bits: int = 8
    bins: int = 8192

    def __post_init__(self) -> None:
        if self.bits not in range(2, 9) or not self.bins >= 2**self.bits:
            raise ValueError(f"ranges are for codes of 2 to 8 bits, and more bins than codes, got {self}")

    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The range of least error; the widest of equally good ones."""
        low, high = value_range(activation)
        if not high > low:
            return low, high
        centres, counts = self._count(activation.detach().flatten(), low, high)
        best, least = (low, high), float("inf")
        for share in _SHARES:
            # of values on one side of 0 only the far end is clipped: 0 is in every grid
            ends = min(low * share, high) if low < 0 else low, max(high * share, low) if high > 0 else high
            step, zero = activation_grid(*ends, self.bits)
            codes = (centres / step).round_().clamp_(-zero, 2**self.bits - 1 - zero)
            error = float((codes.mul_(step).sub_(centres).square_() * counts).sum())
            if error < least:
                best, least = ends, error
        return best

    def _count(self, values: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
        """Centres of the bins, and how many values but zeros lie in each, both float64 of shape (bins,)."""
        stride = -(-len(values) // _MOST) | 1  # odd, so that it meets every column of images, whose sides are even
        some, width = values[::stride].float(), (high - low) / self.bins
        counts = torch.histc(some, self.bins, low, high).double().cpu()
        if low <= 0 <= high:
            counts[min(int(-low / width), self.bins - 1)] -= float((some == 0).sum())
        centres = low + width * (torch.arange(self.bins, dtype=torch.float64) + 0.5)
        return centres, counts.clamp_(min=0)
