"""What every quantiser of weights keeps to, and the reference.

A quantiser only chooses steps; `search_spaces.elastic.quantizers` rounds, and exporters store codes, for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

SMALLEST_STEP = 1e-12


class Quantizer(ABC):
    """Chooses the grid of a weight: symmetric, one step per output channel.

    A weight w becomes `step * clip(round(w / step), -(2^(bits-1) - 1), 2^(bits-1) - 1)`. The contract, kept by tests
    over all quantisers: a step is positive and finite, also of a channel of zeros; it depends on the weights of its
    own channel alone, scales with them, and is that of their opposites. Then folding a batch normalisation into a
    weight, and cutting a subnet's channels out of it, change no code. More bits round no worse, and 8 of them normal
    weights with less than 1 % of noise. Quantisers are frozen values: they travel to workers.
    """

    @abstractmethod
    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The step of every output channel, shape (out,), without a gradient.

        Args:
            weight: Shape (out, ...).
            bits: Of a code, from 2 to 8.
        """


@dataclass(frozen=True)
class MaxAbsSteps(Quantizer):
    """The reference: the largest weight of a channel takes the largest code, so nothing is clipped."""

    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The largest absolute weight over the largest code."""
        largest = weight.detach().abs().flatten(1).amax(1)
        return (largest / (2 ** (bits - 1) - 1)).clamp_min(SMALLEST_STEP)
