"""Damage by the weights alone, without data: the noise that rounding adds to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nas.compression.sensitivity.rounding_errors import compute_weight_error
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class WeightDistortion(SensitivityMetric):
    """The squared error of the compressed weight of a layer, divided by the squared weight: the noise-to-signal ratio.

    To first order the ratios of all layers add up to the ratio of the output (Lin, Talathi, Annapureddy, "Fixed Point
    Quantization of Deep Convolutional Networks", ICML 2016, section 3, equation 5). A ratio, because a batch norm
    undoes the scale of a weight. Activations are not considered: policies with equal weight bits have equal damage.
    """

    def check(self, subject: CompressionSubject) -> None:
        """The weights are enough, which every network has."""

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The ratios of the policies of each layer, each of shape (policies,); 0 if all weights of the layer are 0."""
        return tuple(
            np.array([_noise_per_signal(weight, compute_weight_error(subject, layer, policy)) for policy in known])
            for layer, (weight, known) in enumerate(zip(subject.weights, subject.choices, strict=True))
        )


def _noise_per_signal(weight: Tensor, error: Tensor) -> float:
    signal = float(weight.double().square().sum())
    return float(error.double().square().sum()) / signal if signal else 0.0
