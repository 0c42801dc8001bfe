"""The covariance function of a Gaussian process, and the most likely one of labelled rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictors.predictor import FloatArray

_LENGTHS = np.geomspace(0.25, 16.0, 13)  # lengths of the grid, in medians of the distance between two rows
_NOISES = np.geomspace(1e-6, 1e2, 33)  # noise variances of the grid, in signal variances


@dataclass(frozen=True)
class CovarianceFunction:
    """Squared-exponential covariance of a zero-mean Gaussian process, and noise.

    On one-hot codes the squared distance is twice the number of differing choices, so that each differing choice lowers
    the correlation by the same factor. The function can have interactions of every order; higher orders are weaker.

    Attributes:
        length: Distance over which the function varies, in the unit of the features.
        signal: Variance of the function, in squared units of the targets.
        noise: Variance of the noise, as a multiple of `signal`.
    """

    length: float
    signal: float
    noise: float

    def correlation(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Correlation of the values of the function at two sets of rows, shape (n, m).

        Args:
            a: Rows of shape (n, f).
            b: Rows of shape (m, f).
        """
        correlation: FloatArray = np.exp(-0.5 * _squared_distances(a, b) / self.length**2)
        return correlation

    @classmethod
    def most_likely(cls, features: FloatArray, targets: FloatArray, least_noise: float = 0.0) -> CovarianceFunction:
        """The function of the largest marginal likelihood on a grid of lengths and noises; the signal in closed form.

        One eigendecomposition per length serves all noises: O(n³) time, O(n²) memory. Being a grid, it has no start
        values and no local optima. Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 5.4.1.

        Args:
            features: Shape (n, f).
            targets: Shape (n,), of mean 0.
            least_noise: Known lower bound of the variance of the noise, in squared units of the targets.
        """
        distances = _squared_distances(features, features)
        apart = distances[distances > 1e-12]
        unit = float(np.sqrt(np.median(apart))) if len(apart) else 1.0
        best = (-np.inf, cls(unit, 0.0, 1.0))
        for length in unit * _LENGTHS:
            eigenvalues, vectors = np.linalg.eigh(np.exp(-0.5 * distances / length**2))
            spectrum = np.maximum(eigenvalues, 0.0) + _NOISES[:, None]
            fits = np.mean((vectors.T @ targets) ** 2 / spectrum, axis=1)
            signals = np.maximum(np.maximum(fits, 1e-300), least_noise / _NOISES)
            misfits = np.log(signals) + (
                fits / signals - 1.0
            )  # 0 unless `least_noise` forces a larger signal than fits best
            likelihoods = -0.5 * (len(targets) * misfits + np.log(spectrum).sum(axis=1))
            index = int(np.argmax(likelihoods))
            if likelihoods[index] > best[0]:
                best = (float(likelihoods[index]), cls(float(length), float(signals[index]), float(_NOISES[index])))
        return best[1]


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    distances: FloatArray = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    return np.maximum(distances, 0.0, out=distances)
