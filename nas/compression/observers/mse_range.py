"""A range at which rounding has the least squared error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.observers.observer import Observer
from search_spaces.elastic.quantizers import activation_grid, value_range

_SHARES = torch.linspace(1.0, 0.2, 33).tolist()


@dataclass(frozen=True)
class LeastSquaredErrorRange(Observer):
    """Clips both ends at the share, of a grid, at which codes of some bits have the least squared error.

    Source: Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1, equation 16. A sample of
    evenly spaced ranks stands for a large activation, so the order of the values does not matter.

    Attributes:
        bits: Bits of the codes for which the range is best.
        sample: Largest number of values that are rounded.

    Raises:
        ValueError: If the bits are not from 2 to 8, or the sample is empty.
    """

    bits: int = 8
    sample: int = 65_536

    def __post_init__(self) -> None:
        if self.bits not in range(2, 9) or not self.sample >= 1:
            raise ValueError(f"ranges are for codes of 2 to 8 bits and one or more values, got {self}")

    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The range of least error; the widest of equally good ones."""
        low, high = value_range(activation)
        values = activation.detach().flatten()
        if len(values) > self.sample:
            ranks = torch.linspace(0, len(values) - 1, self.sample, dtype=torch.float64).round().long()
            values = values.sort().values[ranks]
        best, least = (low, high), float("inf")
        for share in _SHARES:
            # of values on one side of 0 only the far end is clipped: 0 is in every grid
            ends = min(low * share, high) if low < 0 else low, max(high * share, low) if high > 0 else high
            step, zero = activation_grid(*ends, self.bits)
            codes = (values / step).round_().clamp_(-zero, 2**self.bits - 1 - zero)
            error = float(codes.mul_(step).sub_(values).double().square_().sum())
            if error < least:
                best, least = ends, error
        return best
