"""Entries of latency tables: what one layer costs, or several that run one after another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec

Layers = Sequence[tuple[LayerSpec, LayerPolicy]]
Segment = tuple[tuple[LayerSpec, LayerPolicy], ...]  # layers as a table knows them, and `Device.executed_as` of each
LATENCY = "latency_ms"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one segment costs.

    Attributes:
        values: By metric, such as `latency_ms` or `energy_mj`, in its unit.
        spread: Relative interquartile range of what was timed for it; 0 where it is unknown.
        repeats: Number of measurements; 0 where it is unknown.
        factor: Latency within a network over the latency alone; found by calibration.

    Raises:
        ValueError: If there are no values, or one of them or the factor is not positive and finite.
    """

    values: Mapping[str, float]
    spread: float = 0.0
    repeats: int = 0
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.factor < math.inf:
            raise ValueError(f"a factor must be positive and finite, got {self.factor}")
        if not self.values or not all(0 < value < math.inf for value in self.values.values()):
            raise ValueError(f"costs must be positive and finite, got {dict(self.values)}")

    def within_network(self, metric: str) -> float:
        """The value of a metric within a network; a latency there is not the one of the layer alone.

        Raises:
            KeyError: If the entry has no such metric.
        """
        return self.values[metric] * (self.factor if metric == LATENCY else 1.0)
