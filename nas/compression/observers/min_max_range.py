"""The full range of an activation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nas.compression.observers.observer import Observer
from search_spaces.elastic.quantizers import value_range


@dataclass(frozen=True)
class MinMaxRange(Observer):
    """Keeps every value: nothing is clipped, and one outlier makes all steps coarse."""

    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The lowest and the highest value."""
        return value_range(activation)
