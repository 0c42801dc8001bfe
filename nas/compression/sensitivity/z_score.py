"""An order of layers by the share of large weights: needs no data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nas.compression.sensitivity.ordinal_damage import rank_damage
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class ZScore(SensitivityMetric):
    """ZD of Dumitru et al., "Layer-Wise Quantization", 2024: layers with few weights above a z-score of 1 matter most.

    The damage is that of an order, see `rank_damage`. Activations are not considered.
    """

    def check(self, subject: CompressionSubject) -> None:
        """The weights are enough, which every network has."""

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,)."""
        return rank_damage(subject, -np.array([compute_large_share(weight) for weight in subject.weights]))


def compute_large_share(weight: Tensor) -> float:
    """The share of weights that lie more than a standard deviation above the mean; 0 if all are equal.

    Args:
        weight: Shape (out, ...).
    """
    values = weight.double().flatten()
    deviation = float(values.std(correction=0))
    return float(((values - values.mean()) > deviation).double().mean()) if deviation > 0 else 0.0
