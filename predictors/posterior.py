"""The posterior of the noise-free values of labelled rows: what noisy targets are worth.

The best of many noisy targets was mostly lucky (the winner's curse). A posterior mean weighs the target of a row
against what all other rows say about it, so that the best of these means promises no more than it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictors.covariance import CovarianceFunction
from predictors.predictor import FloatArray, check_labelled_rows
from predictors.warp import Warp

Noise = Callable[[FloatArray], FloatArray]  # values to the standard deviation of a measurement of each, shape (n,)

_FEW_ROWS = 8  # from fewer rows, a function cannot be told from noise
_MOST_ROWS = 800  # rows that are fitted, which takes cubic time: about 2 s on one core
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)  # exact for polynomials of degree 29


@dataclass(frozen=True)
class Posterior:
    """What is known of the noise-free values of n rows, in the unit of the targets.

    Attributes:
        mean: Expected value of each row, shape (n,).
        std: Standard deviation of the noise-free value around it, shape (n,).
    """

    mean: FloatArray
    std: FloatArray


def infer_noise_free(features: ArrayLike, targets: ArrayLike, least_noise: Noise, seed: int = 0) -> Posterior:
    """The posterior of the values that were measured, by one exact Gaussian process on warped targets.

    The noise of a target follows from the value that it measures, not from the target: a lucky one would look precise.
    So the values are estimated twice, the second time with the noise of the first estimates.

    Of more than 800 rows, the process is fitted to 800 at random, not to the best, which would be the luckiest; every
    other row is judged by these and by its own target. Of fewer than 8 rows, the values are the targets, give or take
    the least noise.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2.2.

    Args:
        features: Shape (n, f), finite; columns on comparable scales.
        targets: Shape (n,), finite.
        least_noise: Standard deviation that is known to be in measurements of given values, in the unit of the
            targets. Where similar rows differ by more, the noise is taken to be as large as that.
        seed: Seed of the rows that are fitted, where there are too many.

    Raises:
        ValueError: If the features are not of shape (n, f) with n, f >= 1, there is not one target per row, or a value
            is not finite.
    """
    rows, labels = check_labelled_rows(features, targets, fewest=1)
    if len(labels) < _FEW_ROWS:
        return Posterior(labels, least_noise(labels))
    fitted = np.sort(np.random.default_rng(seed).permutation(len(rows))[:_MOST_ROWS])
    warp = Warp.fit(labels)
    warped = warp.forward(labels)
    variance = _warped_variance(warp, labels, least_noise)
    # The median: the few rows where the warp is steep must not make all others look noisy.
    function = CovarianceFunction.most_likely(rows[fitted], warped[fitted], float(np.median(variance)))
    # A variance found in n values is uncertain by this much: a smaller signal would not have been seen.
    signal = max(function.signal, float(np.sqrt(2.0 / len(fitted)) * warped[fitted].var()))
    covariance = signal * function.correlation(rows[fitted], rows)
    for _ in range(2):
        noise = np.maximum(variance, function.signal * function.noise)
        found = _unwarped(warp, *_conditioned(covariance, signal, warped, noise, fitted))
        variance = _warped_variance(warp, found.mean, least_noise)
    return found


def _conditioned(
    covariance: FloatArray, signal: float, targets: FloatArray, noise: FloatArray, fitted: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Posterior mean and variance at n rows, of which m are fitted.

    Args:
        covariance: Prior covariance of the fitted rows with all rows, shape (m, n).
        signal: Prior variance of every row.
        targets: Targets of prior mean 0, shape (n,).
        noise: Variance of the noise of each target, shape (n,).
        fitted: Indices of the fitted rows, shape (m,).
    """
    gain = np.linalg.solve(covariance[:, fitted] + np.diag(noise[fitted]), covariance)
    mean = targets[fitted] @ gain
    variance = np.maximum(signal - np.einsum("mn,mn->n", gain, covariance), 0.0)
    others = np.setdiff1d(np.arange(len(targets)), fitted)
    share = variance[others] / np.maximum(variance[others] + noise[others], 1e-300)
    mean[others] += share * (targets[others] - mean[others])
    variance[others] *= 1.0 - share
    return mean, variance


def _warped_variance(warp: Warp, values: FloatArray, noise: Noise) -> FloatArray:
    """The variance of measurements of values on the scale of the warp, by its mean slope over ± one deviation."""
    deviation = noise(values)
    if not ((deviation >= 0) & np.isfinite(deviation)).all():
        raise ValueError(f"the noise of targets must be 0 or more and finite, got {deviation.min()}")
    spread: FloatArray = (warp.forward(values + deviation) - warp.forward(values - deviation)) / 2.0
    return spread**2


def _unwarped(warp: Warp, mean: FloatArray, variance: FloatArray) -> Posterior:
    """Mean and standard deviation of the unwarped values of normal variables, by Gauss-Hermite quadrature."""
    weights = _WEIGHTS / _WEIGHTS.sum()
    values = warp.backward(mean[:, None] + np.sqrt(variance)[:, None] * _NODES)
    expected = values @ weights
    return Posterior(expected, np.sqrt((values - expected[:, None]) ** 2 @ weights))
