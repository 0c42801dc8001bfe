"""Sensitivity metrics by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric


def _weight_distortion() -> SensitivityMetric:
    from nas.compression.sensitivity.weight_distortion import WeightDistortion

    return WeightDistortion()


def _repaired_divergence() -> SensitivityMetric:
    from nas.compression.sensitivity.repaired_divergence import RepairedDivergence

    return RepairedDivergence()


SENSITIVITY_METRICS: Registry[Callable[[], SensitivityMetric]] = Registry(
    "sensitivity metric",
    {"weight_distortion": _weight_distortion, "repaired_divergence": _repaired_divergence},
)
