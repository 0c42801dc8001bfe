"""Bayesian linear regression with a Gaussian prior: for few measurements, with the uncertainty of predictions.

The model also chooses what to measure next.
Source: Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictors.predictor import FloatArray


@dataclass(frozen=True)
class LinearModel:
    """Normally distributed coefficients of features, and normally distributed noise.

    Attributes:
        mean: Expected coefficients, shape (f,).
        covariance: Covariance of the coefficients, shape (f, f).
        noise: Variance of a measurement.
    """

    mean: FloatArray
    covariance: FloatArray
    noise: float

    @classmethod
    def prior(cls, mean: FloatArray, std: FloatArray, noise: float) -> LinearModel:
        """A model before any measurement, with independent coefficients.

        Args:
            mean: Expected coefficients, shape (f,).
            std: Their standard deviations, shape (f,).
            noise: Variance of a measurement, above 0.

        Raises:
            ValueError: If the shapes differ, a deviation is negative or the noise is not above 0.
        """
        expected, deviation = np.asarray(mean, dtype=float), np.asarray(std, dtype=float)
        if expected.shape != deviation.shape or expected.ndim != 1 or not ((deviation >= 0).all() and noise > 0):
            raise ValueError(
                f"a prior needs means and deviations of one shape (f,) and noise above 0, got {expected.shape}, "
                f"{deviation.shape} and {noise}"
            )
        return cls(expected, np.diag(deviation**2), float(noise))

    def observe(self, features: FloatArray, targets: FloatArray) -> LinearModel:
        """The model after measurements.

        Args:
            features: Shape (n, f).
            targets: Shape (n,).
        """
        spread = self.covariance @ features.T
        gain = np.linalg.solve(features @ spread + self.noise * np.eye(len(features)), spread.T).T
        mean = self.mean + gain @ (targets - features @ self.mean)
        return LinearModel(mean, self.covariance - gain @ spread.T, self.noise)

    def scale(self, features: FloatArray, targets: FloatArray) -> float:
        """The factor on the standard deviations of coefficients and noise that fits the size of the errors.

        Args:
            features: Shape (n, f).
            targets: Shape (n,), n >= 2, of mean 0; the model must not have observed them.
        """
        covariance = features @ self.covariance @ features.T + self.noise * np.eye(len(features))
        misfit = targets - features @ self.mean
        return float(np.sqrt(misfit @ np.linalg.solve(covariance, misfit) / (len(targets) - 1)))

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the noiseless targets, both of shape (n,), of features of shape (n, f)."""
        variance = np.einsum("nf,fg,ng->n", features, self.covariance, features, optimize=True)
        return features @ self.mean, np.sqrt(np.maximum(variance, 0.0))

    def choose_measurements(self, features: FloatArray, count: int, done: Sequence[int] = ()) -> list[int]:
        """The rows whose measurement leaves the least mean variance over all rows, chosen one after the other.

        Args:
            features: Features of all rows that may be measured, shape (n, f).
            count: Number of rows to choose; fewer are returned if fewer are left.
            done: Rows that must not be chosen.

        Returns:
            Distinct row numbers, the most useful one first.
        """
        covariance, second_moment = self.covariance, features.T @ features / len(features)
        chosen: list[int] = []
        for _ in range(min(count, len(features) - len({*done}))):
            spread = features @ covariance
            variance = np.einsum("nf,nf->n", spread, features)
            gain = np.einsum("nf,fg,ng->n", spread, second_moment, spread, optimize=True) / (variance + self.noise)
            gain[[*done, *chosen]] = -np.inf
            best = int(gain.argmax())
            covariance = covariance - np.outer(spread[best], spread[best]) / (variance[best] + self.noise)
            chosen.append(best)
        return chosen
