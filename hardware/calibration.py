"""Calibration: from sums of layer latencies to latencies of whole networks.

In: sums and measurements of some networks. Out: `Calibration`, a slope and a constant with their error. Knows no layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_MIN_NETWORKS = 4


@dataclass(frozen=True, slots=True)
class Calibration:
    """Network latency = slope * sum of layer latencies + constant.

    Attributes:
        slope: Factor of the sum.
        constant_ms: What every network costs besides its layers, in milliseconds.
        error_percent: Mean absolute percentage error on networks left out of the fit; None if not fitted.
        kendall_tau: Rank correlation of sums and measurements; None if not fitted.
        networks: Number of networks fitted on.
    """

    slope: float = 1.0
    constant_ms: float = 0.0
    error_percent: float | None = None
    kendall_tau: float | None = None
    networks: int = 0

    @classmethod
    def fit(cls, sums_ms: FloatArray, measured_ms: FloatArray) -> Calibration:
        """The slope and constant, both non-negative, of least mean absolute percentage error.

        Few disturbed measurements do not move it. The error is found by leaving out each network in turn.

        Args:
            sums_ms: Sum of layer latencies of each network in milliseconds, shape (n,), n >= 4, positive.
            measured_ms: Measured latency of each network in milliseconds, shape (n,), positive.

        Raises:
            ValueError: If the shapes differ, networks are too few or a value is not positive.
        """
        sums, measured = np.asarray(sums_ms, dtype=float), np.asarray(measured_ms, dtype=float)
        if sums.shape != measured.shape or sums.ndim != 1 or len(sums) < _MIN_NETWORKS:
            shapes = f"{sums.shape} and {measured.shape}"
            raise ValueError(f"a calibration needs two arrays of one shape (n,), n >= {_MIN_NETWORKS}, got {shapes}")
        if not (np.all(sums > 0) and np.all(measured > 0) and np.isfinite(sums + measured).all()):
            raise ValueError("a calibration needs positive finite latencies")
        from scipy.stats import kendalltau

        errors = []
        for index in range(len(sums)):
            kept = np.arange(len(sums)) != index
            slope, constant = _fit(sums[kept], measured[kept])
            errors.append(abs(slope * sums[index] + constant - measured[index]) / measured[index])
        tau = float(kendalltau(sums, measured).statistic)
        slope, constant = _fit(sums, measured)
        error = 100 * float(np.mean(errors))
        return cls(slope, constant, error, None if np.isnan(tau) else tau, len(sums))

    def apply(self, sums_ms: FloatArray) -> FloatArray:
        """Network latencies in milliseconds of sums of layer latencies, both of shape (n,)."""
        return self.slope * np.asarray(sums_ms, dtype=float) + self.constant_ms


def _fit(sums: FloatArray, measured: FloatArray) -> tuple[float, float]:
    """Slope and constant as a linear programme: minimise the sum of t with |(slope * s + constant) / m - 1| <= t."""
    from scipy.optimize import linprog

    count = len(sums)
    terms = np.stack([sums / measured, 1.0 / measured], axis=1)
    bounds = np.block([[terms, -np.eye(count)], [-terms, -np.eye(count)]])
    solution = linprog(np.r_[0.0, 0.0, np.ones(count)], A_ub=bounds, b_ub=np.r_[np.ones(count), -np.ones(count)])
    return float(solution.x[0]), float(solution.x[1])
