"""In: values of a metric in natural units. Out: costs to be minimised. Knows no candidate and not who measured it.

This is the one place of the project where a sign is flipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.registry import Registry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number means: its name, its unit and which way is better."""

    name: str
    unit: str
    maximize: bool = False

    @property
    def label(self) -> str:
        """Name and unit for people, such as `latency_ms (ms)`."""
        return f"{self.name} ({self.unit})"

    def costs(self, values: ArrayLike) -> FloatArray:
        """Values in `unit`, of any shape, as costs of the same shape: smaller is better."""
        natural = np.asarray(values, dtype=np.float64)
        return -natural if self.maximize else natural


METRICS: Registry[Metric] = Registry(
    "metric",
    {
        entry.name: entry
        for entry in (
            Metric("accuracy", "%", maximize=True),
            Metric("expected_accuracy", "%", maximize=True),
            Metric("test_accuracy", "%", maximize=True),
            Metric("worst_class_accuracy", "%", maximize=True),
            Metric("latency_ms", "ms"),
            Metric("weight_bytes", "bytes"),
            Metric("macs", "count"),
            Metric("bops", "count"),
            Metric("parameters", "count"),
            Metric("energy_mj", "mJ"),
        )
    },
    lambda entry: isinstance(entry, Metric),
)


def metric(name: str) -> Metric:
    """The known metric of that name.

    Raises:
        ValueError: If there is none; the message lists the known ones.
    """
    return METRICS[name]
