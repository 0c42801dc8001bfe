"""The full range of an activation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nas.compression.observers.observer import Observer
from search_spaces.elastic.quantizers import value_range


@dataclass(frozen=True)
class MinMaxRange(Observer):
    """The range of all values: nothing is clipped, but one outlier makes the steps of all values coarse."""

    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The lowest and the highest value."""
        return value_range(activation)
