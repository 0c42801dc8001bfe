"""Entries of latency tables: the costs of one layer, or of several layers that run one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec

Layers = Sequence[tuple[LayerSpec, LayerPolicy]]
# The key of an entry: layers as `LatencyTable.segment` makes them, each with its `Device.executed_as`.
Segment = tuple[tuple[LayerSpec, LayerPolicy], ...]
LATENCY = "latency_ms"
MOST_COST = 1e18  # in whatever unit; no cost comes near it, and sums of such are finite
MOST_RATIO = 1e6  # of a factor, or of a spread


@dataclass(frozen=True, slots=True)
class Entry:
    """The costs of one segment.

    Attributes:
        values: Costs by metric, such as `latency_ms` or `energy_mj`, in the unit of the metric.
        spread: Interquartile range of its timings, divided by their median; 0 if unknown.
        repeats: Number of timed runs; 0 if unknown.
        factor: Ratio of its latency within a network to that when measured alone; fitted by calibration.

    Raises:
        ValueError: If there are no values, a value or the factor is not positive and within its bound, or spread or
            repeats are below 0.
    """

    values: Mapping[str, float]
    spread: float = 0.0
    repeats: int = 0
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.factor <= MOST_RATIO:
            raise ValueError(f"a factor must be positive and finite, got {self.factor}")
        if not self.values or not all(0 < value <= MOST_COST for value in self.values.values()):
            raise ValueError(f"costs must be positive and finite, got {dict(self.values)}")
        if not (0 <= self.spread <= MOST_RATIO and self.repeats >= 0):
            raise ValueError(f"spread and repeats must be 0 or more, got {self.spread} and {self.repeats}")

    def within_network(self, metric: str) -> float:
        """The value of a metric within a network: a latency is multiplied by `factor`.

        Raises:
            KeyError: If the entry has no such metric.
        """
        return self.values[metric] * (self.factor if metric == LATENCY else 1.0)
