"""Calibration: from latencies of layers to latencies of whole networks.

A network takes longer than its layers alone: a runtime converts tensors between formats, adds and pools them, and
layers run slower with cold caches than in a loop. So a network's latency is modelled as

    sum over layers of factor * latency + constant + sum over tensors of their costs,

where a factor is that of the precision, corrected for the entry, and the cost of a tensor depends on its use and is
linear in its elements. The uses are many and the measured networks few, but a runtime spends about the same on an
operator wherever it runs it. So what is fitted are the costs of types of operators, each with a part per operator and a
part per element, and `Conversions` spreads them over the uses. Independent of layers and runtimes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hardware.calibration.conversions import Conversions
from hardware.calibration.fit_quality import FitQuality, check_latencies
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensors import Tensor
from predictors.linear_model import LinearModel
from search_spaces.additive_cost import FloatArray

_MIN_NETWORKS = 4  # so that every fold is fitted to three or more
_FOLDS = 10  # each network is left out once, with a tenth of all
_SLOPE_STD = 0.3  # of the factor of a precision, around 1
_ENTRY_STD = 0.15  # of its correction for an entry
_LEAST_FACTOR = 0.1  # noise must not make a layer cost nothing, or less
_SHARE_STD = 0.03  # of the mean latency, that all operators of a type together are expected to cost
_NOISE = 0.02  # relative deviation of a measured latency on an idle machine
_ROUNDING = 1e-9  # of numbers of operators, and of the elements that they work on


@dataclass(frozen=True)
class Calibration:
    """Turns latencies of layers into latencies of networks.

    Attributes:
        constant_ms: What every network costs besides its layers and tensors, in milliseconds.
        tensors: What the tensors of a network cost.
        quality: Agreement with networks left out of the fit; None if nothing was fitted.
    """

    constant_ms: float = 0.0
    tensors: TensorCosts = field(default_factory=TensorCosts)
    quality: FitQuality | None = None


@dataclass(frozen=True)
class MeasuredNetworks:
    """Networks whose latency was measured, to fit a calibration to.

    Attributes:
        layers_ms: Latency of the layers of each entry in each network, shape (n, entries).
        precisions: Number of the precision of each entry, from 0, shape (entries,).
        tensors: Those of each network.
        measured_ms: Their latencies, shape (n,), n >= 4.
        spread: Typical relative spread of what was timed for one of them; a fit trusts measurements no more than that.

    Raises:
        ValueError: If there are too few networks, the shapes differ, or a latency is not positive and finite.
    """

    layers_ms: FloatArray
    precisions: NDArray[np.int32]
    tensors: Sequence[Sequence[Tensor]]
    measured_ms: FloatArray
    spread: float = 0.0

    def __post_init__(self) -> None:
        if len(self.measured_ms) < _MIN_NETWORKS or len(self.layers_ms) != len(self.measured_ms):
            shapes = f"{self.layers_ms.shape} and {self.measured_ms.shape}"
            raise ValueError(f"a calibration needs {_MIN_NETWORKS} or more networks with a latency each, got {shapes}")
        check_latencies(self.measured_ms)

    @property
    def sums_ms(self) -> FloatArray:
        """Latency of the layers of each precision, shape (n, precisions)."""
        return self.layers_ms @ np.eye(self.precisions.max() + 1)[self.precisions]


def fit_calibration(sample: MeasuredNetworks, conversions: Conversions) -> tuple[Calibration, FloatArray]:
    """The calibration of the highest posterior probability, given measured networks.

    The error counts relative to the latency. How good the fit is, is found by leaving out a tenth of the networks at a
    time.

    Args:
        sample: Networks with their latencies.
        conversions: Which operators the runtime runs for a tensor.

    Returns:
        The calibration, and the factor of every entry, shape (entries,).
    """
    count, measured = len(sample.measured_ms), sample.measured_ms
    precisions, entries = int(sample.precisions.max()) + 1, len(sample.precisions)
    operators = conversions.operators(sample.tensors)
    features = np.concatenate([sample.sums_ms, sample.layers_ms, np.ones((count, 1)), operators], axis=1)
    predicted = np.zeros(count)
    for fold in range(min(_FOLDS, count)):
        left_out = np.arange(count) % _FOLDS == fold
        kept = _coefficients(features[~left_out], measured[~left_out], precisions, entries, sample.spread)
        predicted[left_out] = features[left_out] @ kept
    found = _coefficients(features, measured, precisions, entries, sample.spread)
    slopes, effects, constant, costs = np.split(found, np.cumsum([precisions, entries, 1]))
    per_operator, per_element = np.split(costs, 2)
    both = np.stack([conversions.counts @ per_operator, conversions.elements @ per_element], axis=1)
    tensors = TensorCosts({use: TensorCost(*cost) for use, cost in zip(conversions.uses, both.tolist(), strict=True)})
    factors = np.maximum(slopes[sample.precisions] + effects, _LEAST_FACTOR)
    return Calibration(float(constant[0]), tensors, FitQuality.compare(predicted, measured)), factors


def _coefficients(
    features: FloatArray, measured: FloatArray, precisions: int, entries: int, spread: float
) -> FloatArray:
    """Slopes of the precisions, corrections of the entries, the constant, and the costs of operators."""
    typical = np.abs(features).mean(axis=0)
    # Where tensors cancel out, rounding leaves numbers of operators like 1e-17, on which nothing may be built.
    present = typical > _ROUNDING
    std = np.where(present, _SHARE_STD * measured.mean() / np.where(present, typical, 1.0), 0.0)
    mean = np.zeros(features.shape[1])
    mean[:precisions], std[:precisions] = 1.0, _SLOPE_STD
    std[precisions : precisions + entries] = _ENTRY_STD
    prior = LinearModel.prior(mean, std, _NOISE**2 + spread**2)
    return prior.observe(features / measured[:, None], np.ones(len(measured))).mean
