"""A new device from a few measurements: what is known of other devices tells the rest.

What is known are the latencies of the same networks on other devices, features of the networks, and a few measurements
of the new device; what is told are its latencies of all networks with an uncertainty, and what to measure next.

Latencies are compared as logarithms, on known devices with mean 0 and deviation 1. The new device is a combination of
those plus a smaller linear part of its own in the features; both have Gaussian priors, whose scale the measurements
tell. The two constants below are not delicate: between half and twice their values the results are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.calibration.fit_quality import check_latencies
from predictors.linear_model import LinearModel
from search_spaces.additive_cost import FloatArray

_OWN_PART = 0.3  # deviation of the part that no known device explains, relative to the part that they do
_NOISE = 0.03  # variance of a measurement, relative to that of the same part
_FEWEST = 3  # measurements, below which their scale is not known


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
        features: What tells the networks apart, such as one-hot genes, shape (n, f).

    Raises:
        ValueError: If the shapes do not fit, there is no device, or a latency is not positive and finite.
    """

    def __init__(self, known_ms: FloatArray, features: FloatArray) -> None:
        known, own = np.asarray(known_ms, dtype=float), np.asarray(features, dtype=float)
        if known.ndim != 2 or own.ndim != 2 or len(known) != len(own) or not known.shape[1]:
            raise ValueError(
                "a transfer needs known latencies (n, devices) and features (n, f) of as many networks, got "
                f"{known.shape} and {own.shape}"
            )
        check_latencies(known)
        logarithms = np.log(known)
        devices = _standardized(logarithms) / np.sqrt(known.shape[1])
        centred = own - own.mean(0)
        scale = np.sqrt((centred**2).sum(1).mean()) or 1.0
        self._features = np.concatenate([np.ones((len(known), 1)), devices, _OWN_PART * centred / scale], axis=1)
        count = self._features.shape[1]
        self._prior = LinearModel.prior(np.zeros(count), np.ones(count), _NOISE)

    def choose_probes(self, count: int, measured: Sequence[int] = ()) -> list[int]:
        """Which networks to measure next on the new device, the most telling ones first.

        Args:
            count: How many.
            measured: Rows that are measured already.
        """
        # What was measured, not the values, decides what is left to learn.
        known = self._prior.observe(self._features[list(measured)], np.zeros(len(measured)))
        return known.choose_measurements(self._features, count, measured)

    def predict(self, measured: Sequence[int], latency_ms: FloatArray) -> DevicePrediction:
        """Latency of all networks on the new device.

        Args:
            measured: Rows of the networks that were measured on it, 3 or more, distinct.
            latency_ms: Their latencies in milliseconds, shape (n,), positive.

        Raises:
            ValueError: If they are too few, repeated, or not positive and finite.
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
    deviation = columns.std(0)
    scaled: FloatArray = (columns - columns.mean(0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled
