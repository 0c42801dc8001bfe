"""Transfer: the latencies of a new device, predicted from other devices and a few measurements.

Given are the latencies of the same networks on other devices, features of the networks, and a few measurements of the
new device. Predicted are its latencies of all networks with an uncertainty, and which network to measure next.

The model is of logarithms of latencies, which are standardised for each known device. The new device is a linear
combination of the known ones, plus a smaller linear function of the features. All coefficients have Gaussian priors,
whose common scale is estimated from the measurements. Results hardly change if the first two constants below are halved
or doubled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.calibration.fit_quality import check_latencies
from predictors.linear_model import LinearModel
from search_spaces.additive_cost import FloatArray

_OWN_PART = 0.3  # standard deviation of the function of the features, relative to the combination of known devices
_NOISE = 0.03  # variance of the noise of a measurement, relative to that of the combination of known devices
_FEWEST = 3  # measurements, below which their scale cannot be estimated


@dataclass(frozen=True)
class DevicePrediction:
    """Latency of networks on a device.

    Attributes:
        latency_ms: Medians in milliseconds, shape (n,).
        factor: Shape (n,); two thirds of the latencies lie between `latency_ms / factor` and `latency_ms * factor`.
    """

    latency_ms: FloatArray
    factor: FloatArray


class DeviceTransfer:
    """Predicts a new device from known ones.

    Args:
        known_ms: Latency of networks on known devices in milliseconds, shape (n, devices), positive.
        features: Features of the same networks, such as one-hot genes, shape (n, f).

    Raises:
        ValueError: If an array is not two-dimensional, the arrays have different numbers of rows, there is no device, a
            latency is not positive and finite, or a feature is not finite.
    """

    def __init__(self, known_ms: FloatArray, features: FloatArray) -> None:
        known, own = np.asarray(known_ms, dtype=float), np.asarray(features, dtype=float)
        if known.ndim != 2 or own.ndim != 2 or len(known) != len(own) or not known.shape[1]:
            raise ValueError(
                "a transfer needs known latencies (n, devices) and features (n, f) of as many networks, got "
                f"{known.shape} and {own.shape}"
            )
        check_latencies(known)
        if not np.isfinite(own).all():
            raise ValueError(f"features must be finite, got {np.count_nonzero(~np.isfinite(own))} that are not")
        logarithms = np.log(known)
        devices = _standardized(logarithms) / np.sqrt(known.shape[1])
        centred = own - own.mean(0)
        scale = np.sqrt((centred**2).sum(1).mean()) or 1.0
        self._features = np.concatenate([np.ones((len(known), 1)), devices, _OWN_PART * centred / scale], axis=1)
        count = self._features.shape[1]
        self._prior = LinearModel.prior(np.zeros(count), np.ones(count), _NOISE)

    def choose_probes(self, count: int, measured: Sequence[int] = ()) -> list[int]:
        """The networks to measure next on the new device, the most informative ones first.

        Args:
            count: Number of networks.
            measured: Rows of the networks that were measured already.
        """
        # The variances depend on which networks were measured, not on their latencies, so zeros stand for these.
        known = self._prior.observe(self._features[list(measured)], np.zeros(len(measured)))
        return known.choose_measurements(self._features, count, measured)

    def predict(self, measured: Sequence[int], latency_ms: FloatArray) -> DevicePrediction:
        """Latency of all networks on the new device.

        Args:
            measured: Rows of the networks that were measured on it, 3 or more, distinct.
            latency_ms: Their latencies in milliseconds, shape (n,), positive.

        Raises:
            ValueError: If there are fewer than 3 networks, a row is repeated, the latencies have another shape, or a
                latency is not positive and finite.
        """
        rows, probes = list(measured), np.asarray(latency_ms, dtype=float)
        if len(rows) < _FEWEST or len({*rows}) < len(rows) or probes.shape != (len(rows),):
            raise ValueError(
                f"a new device needs {_FEWEST} or more different networks and a latency of each, got {len(rows)} "
                f"networks and latencies of shape {probes.shape}"
            )
        check_latencies(probes)
        logarithms = np.log(probes)
        features, targets = self._features[rows], logarithms - logarithms.mean()
        scale = self._prior.scale(features, targets)
        mean, std = self._prior.observe(features, targets).predict(self._features)
        return DevicePrediction(np.exp(logarithms.mean() + mean), np.exp(scale * np.sqrt(std**2 + _NOISE)))


def _standardized(columns: FloatArray) -> FloatArray:
    """Columns with mean 0 and standard deviation 1; constant columns become 0."""
    deviation = columns.std(0)
    scaled: FloatArray = (columns - columns.mean(0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled
