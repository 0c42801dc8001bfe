"""A range that leaves out a few outliers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.observers.observer import Observer

_BLOCK = 64  # values; most blocks hold none of the outliers


@dataclass(frozen=True)
class Percentile(Observer):
    """Clips the outermost values on each side (Wu et al., "Integer Quantization for Deep Learning Inference", 2020).

    Attributes:
        share: Percent of the values kept on each side, in (50, 100].

    Raises:
        ValueError: If the share is another one.
    """

    share: float

    def __post_init__(self) -> None:
        if not 50 < self.share <= 100:
            raise ValueError(f"a percentile must lie in (50, 100], got {self.share}")

    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The values of the rank of that share, from below and from above."""
        outside = max(1, round(activation.numel() * (1 - self.share / 100)))
        return -_largest(-activation, outside), _largest(activation, outside)


def _largest(values: Tensor, rank: int) -> float:
    """The value of a rank, 1 the largest; it lies in one of so many blocks with the largest maxima."""
    flat = values.flatten()
    whole = flat[: len(flat) // _BLOCK * _BLOCK].view(-1, _BLOCK)
    blocks = whole[whole.amax(1).topk(min(rank, len(whole))).indices]
    return float(torch.cat([blocks.flatten(), flat[whole.numel() :]]).topk(rank).values[-1])
