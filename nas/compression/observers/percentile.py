"""A range that leaves out a few outliers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.observers.observer import Observer

_BLOCK = 64  # values whose maximum is compared first: most blocks hold no outlier and need no sorting


@dataclass(frozen=True)
class Percentile(Observer):
    """Clips the outermost values on each side (Wu et al., "Integer Quantization for Deep Learning Inference", 2020).

    Attributes:
        share: Percentile at which the range ends on each side, in (50, 100]; 99.99 clips the largest 0.01 % of the
            values, and as many of the smallest.

    Raises:
        ValueError: If the share is not in (50, 100].
    """

    share: float

    def __post_init__(self) -> None:
        if not 50 < self.share <= 100:
            raise ValueError(f"a percentile must lie in (50, 100], got {self.share}")

    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The values at the percentile `share`, counted from above and from below."""
        outside = max(1, round(activation.numel() * (1 - self.share / 100)))
        return -_largest(-activation, outside), _largest(activation, outside)


def _largest(values: Tensor, rank: int) -> float:
    """The value of a rank, where 1 is the largest.

    The `rank` largest values lie in the `rank` blocks with the largest maxima, so only these blocks are sorted, and the
    values behind the last whole block.
    """
    flat = values.flatten()
    whole = flat[: len(flat) // _BLOCK * _BLOCK].view(-1, _BLOCK)
    blocks = whole[whole.amax(1).topk(min(rank, len(whole))).indices]
    return float(torch.cat([blocks.flatten(), flat[whole.numel() :]]).topk(rank).values[-1])
