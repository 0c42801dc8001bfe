"""Calibration: from latencies of layers to latencies of whole networks.

A network takes longer than its layers alone: a runtime converts tensors between formats, adds and pools them, and
layers run slower with cold caches than in a loop. So a network's latency is modelled as

    sum over layers of factor * latency + constant + sum over tensors of their costs,

where the factor of an entry is the slope of its precision plus a correction, and the cost of a tensor depends on its
use and is linear in its elements. There are too many uses to fit a cost for each to a few measured networks. But a
runtime spends about the same time on an operator of one type wherever it runs. So the fit is of a cost per operator and
a cost per element for every type of operator, and `Conversions` turns these into costs of uses. Independent of layers
and runtimes.
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

_LEAST_HELD_OUT = 4  # with fewer networks, too few are left to fit when one is left out
_FOLDS = 10  # of the cross-validation: each network is left out once, together with a tenth of all
_SLOPE_STD = 0.3  # prior standard deviation of the slope of a precision, around 1
_ENTRY_STD = 0.15  # prior standard deviation of the correction of an entry, around 0
_LEAST_FACTOR = 0.1  # noise must not make the cost of a layer 0 or negative
_SHARE_STD = 0.03  # prior standard deviation of what all operators of a type cost a network, in mean latencies
_NOISE = 0.02  # relative standard deviation of a measured latency on an idle machine
_ROUNDING = 1e-9  # counts of operators and elements up to this are rounding errors


@dataclass(frozen=True)
class Calibration:
    """Turns latencies of layers into latencies of networks.

    Attributes:
        constant_ms: Latency of every network besides its layers and tensors, in milliseconds.
        tensors: Costs of the tensors of a network.
        quality: Agreement with networks that were left out of the fit; None if nothing was fitted, or to so few
            networks that none was left out.
    """

    constant_ms: float = 0.0
    tensors: TensorCosts = field(default_factory=TensorCosts)
    quality: FitQuality | None = None


@dataclass(frozen=True)
class MeasuredNetworks:
    """Networks whose latency was measured, to fit a calibration to.

    Attributes:
        layers_ms: Summed latency of the layers of each entry in each network, each measured alone, shape (n, entries).
        precisions: Index of the precision of each entry, from 0, shape (entries,).
        tensors: The tensors of each network.
        measured_ms: Measured latency of each network, shape (n,), n >= 1.
        spread: Typical relative spread of the timings of a network, which is added to the noise that the fit assumes.

    Raises:
        ValueError: If there is no network, the arrays have different numbers of networks, a measured latency is not
            positive and finite, or a latency of layers or the spread is negative or not finite.
    """

    layers_ms: FloatArray
    precisions: NDArray[np.int32]
    tensors: Sequence[Sequence[Tensor]]
    measured_ms: FloatArray
    spread: float = 0.0

    def __post_init__(self) -> None:
        if len(self.measured_ms) < 1 or len(self.layers_ms) != len(self.measured_ms):
            shapes = f"{self.layers_ms.shape} and {self.measured_ms.shape}"
            raise ValueError(f"a calibration needs one or more networks with a latency each, got {shapes}")
        check_latencies(self.measured_ms)
        if not ((self.layers_ms >= 0) & np.isfinite(self.layers_ms)).all() or not 0 <= self.spread < np.inf:
            raise ValueError(f"latencies of layers and their spread must be 0 or more and finite, got {self.spread}")

    @property
    def sums_ms(self) -> FloatArray:
        """Summed latency of the layers of each precision in each network, shape (n, precisions)."""
        return self.layers_ms @ np.eye(self.precisions.max() + 1)[self.precisions]


def fit_calibration(sample: MeasuredNetworks, conversions: Conversions) -> tuple[Calibration, FloatArray]:
    """The calibration of the highest posterior probability, given measured networks.

    Errors are relative to the latency of a network. The quality of the fit is found by cross-validation. A space may
    have fewer than 4 networks; they are fitted, and how well others would be predicted is not known.

    Args:
        sample: Networks with their latencies.
        conversions: The operators that the runtime runs for a tensor, by its use.

    Returns:
        The calibration, and the factor of every entry, shape (entries,).
    """
    count, measured = len(sample.measured_ms), sample.measured_ms
    precisions, entries = int(sample.precisions.max()) + 1, len(sample.precisions)
    operators = conversions.count_operators(sample.tensors)
    features = np.concatenate([sample.sums_ms, sample.layers_ms, np.ones((count, 1)), operators], axis=1)

    def fit(rows: NDArray[np.bool_]) -> FloatArray:
        return _coefficients(features[rows], measured[rows], precisions, entries, sample.spread)

    predicted = np.zeros(count)
    for fold in range(_FOLDS if count >= _LEAST_HELD_OUT else 0):
        left_out = np.arange(count) % _FOLDS == fold
        if left_out.any():
            predicted[left_out] = features[left_out] @ fit(~left_out)
    quality = FitQuality.compare(predicted, measured) if count >= _LEAST_HELD_OUT else None
    found = fit(np.ones(count, dtype=np.bool_))
    slopes, effects, constant, costs = np.split(found, np.cumsum([precisions, entries, 1]))
    per_operator, per_element = np.split(costs, 2)
    both = np.stack([conversions.counts @ per_operator, conversions.elements @ per_element], axis=1)
    tensors = TensorCosts({use: TensorCost(*cost) for use, cost in zip(conversions.uses, both.tolist(), strict=True)})
    factors = np.maximum(slopes[sample.precisions] + effects, _LEAST_FACTOR)
    return Calibration(float(constant[0]), tensors, quality), factors


def _coefficients(
    features: FloatArray, measured: FloatArray, precisions: int, entries: int, spread: float
) -> FloatArray:
    """The fitted coefficients, in the order of the features.

    These are the slopes of the precisions, the corrections of the entries, the constant, and the costs per operator and
    per element of every type of operator.
    """
    typical = np.abs(features).mean(axis=0)
    # Counts that should be 0 can be 1e-17 after the least squares of `Conversions`; their coefficients are fixed at 0.
    present = typical > _ROUNDING
    std = np.where(present, _SHARE_STD * measured.mean() / np.where(present, typical, 1.0), 0.0)
    mean = np.zeros(features.shape[1])
    mean[:precisions], std[:precisions] = 1.0, _SLOPE_STD
    std[precisions : precisions + entries] = _ENTRY_STD
    prior = LinearModel.prior(mean, std, _NOISE**2 + spread**2)
    return prior.observe(features / measured[:, None], np.ones(len(measured))).mean
