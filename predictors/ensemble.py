"""An ensemble of Gaussian processes on warped targets, with calibrated standard deviations.

It learns interactions of all orders between features; for 20 to 2,000 labels (on one core a fit takes 0.5 s with 500,
20 s with 2,000).
"""

from __future__ import annotations

import numpy as np

from predictors.covariance import CovarianceFunction
from predictors.predictor import FloatArray, Prediction, Predictor
from predictors.warp import Warp

_CHUNK = 8192  # rows predicted at a time: bounds the memory to a few dozen MB per 500 labels
_JITTER = 1e-6  # in signal variances; without it, the covariance matrix of equal rows has no Cholesky root
_NORMAL_90 = 1.645  # a normal variable lies within this many standard deviations with probability 0.9


class EnsemblePredictor(Predictor):
    """A cross-validation committee of Gaussian processes that share one covariance function.

    The rows are split at random into as many folds as there are members; each member sees all folds but one, so that
    every row is out of bag for exactly one member (Krogh and Vedelsby, Neural network ensembles, cross validation, and
    active learning, NIPS 1994). The variance of the committee is the mean variance of its members plus the variance of
    their means (Lakshminarayanan et al., Simple and scalable predictive uncertainty estimation using deep ensembles,
    NIPS 2017, 2.4). At last, one factor scales the standard deviations so that 90 % of the out-of-bag targets lie
    within ± 1.645 of them (Lei et al., Distribution-free predictive inference for regression, 2018, 5.2).

    Targets are warped to be nearly normal (see `predictors.warp`). `mean` is the mean of the warped values mapped back:
    a median. The warp is monotone, so that it never changes the order of two rows.

    Args:
        members: Number of members, at least 2. If there are fewer rows, there are as many members as rows.
        seed: Seed of the split into folds.

    Raises:
        ValueError: If there are fewer than 2 members.
    """

    def __init__(self, members: int = 10, seed: int = 0) -> None:
        super().__init__()
        if members < 2:
            raise ValueError(f"an ensemble needs at least 2 members, got {members}")
        self.members = members
        self.seed = seed

    def _fit(self, features: FloatArray, targets: FloatArray) -> None:
        self._rows = features
        self._warp = Warp.fit(targets)
        warped = self._warp.forward(targets)
        self._function = CovarianceFunction.most_likely(features, warped)
        correlation = self._function.correlation(features, features)
        n, members = len(features), min(self.members, len(features))
        folds = np.random.default_rng(self.seed).permutation(n) % members

        # A member's inverse covariance and weights, padded with zeros at the rows it does not see: then one product
        # with the correlations to all rows gives the means of all members, and one quadratic form their mean variance.
        self._weights = np.zeros((n, members))
        self._precision = np.zeros((n, n))
        explained = np.zeros(n)
        for member in range(members):
            seen, unseen = np.flatnonzero(folds != member), np.flatnonzero(folds == member)
            covariance = correlation[np.ix_(seen, seen)] + self._function.noise * np.eye(len(seen))
            inverse = np.linalg.inv(covariance).astype(np.float64)
            self._weights[seen, member] = inverse @ warped[seen]
            self._precision[np.ix_(seen, seen)] += inverse / members
            explained[unseen] = _quadratic_form(correlation[np.ix_(unseen, seen)], inverse)

        out_of_bag_means = (correlation @ self._weights)[np.arange(n), folds]
        out_of_bag = self._unwarp(out_of_bag_means, self._variance(explained))
        self._factor = _interval_factor(targets - out_of_bag.mean, out_of_bag.std)

    def _predict(self, features: FloatArray) -> Prediction:
        chunks = [self._predict_chunk(features[start : start + _CHUNK]) for start in range(0, len(features), _CHUNK)]
        mean = np.concatenate([np.empty(0), *(chunk.mean for chunk in chunks)])
        return Prediction(mean, self._factor * np.concatenate([np.empty(0), *(chunk.std for chunk in chunks)]))

    def _draw(self, features: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
        """Joint draws around the means of the committee, by the covariance of one process that sees all rows."""
        function = self._function
        seen = function.correlation(self._rows, self._rows) + function.noise * np.eye(len(self._rows))
        cross = function.correlation(features, self._rows)
        covariance = function.correlation(features, features) - cross @ np.linalg.solve(seen, cross.T)
        root = np.sqrt(function.signal) * np.linalg.cholesky(covariance + _JITTER * np.eye(len(features)))
        normal = rng.normal(size=(count, len(features)))
        means = (cross @ self._weights).mean(axis=1)
        return self._warp.backward(means + normal @ root.T)

    def _predict_chunk(self, features: FloatArray) -> Prediction:
        correlation = self._function.correlation(features, self._rows)
        means = correlation @ self._weights
        variance = self._variance(_quadratic_form(correlation, self._precision)) + means.var(axis=1)
        return self._unwarp(means.mean(axis=1), variance)

    def _variance(self, explained: FloatArray) -> FloatArray:
        """Variance of a new measurement, shape (n,), from the share of the signal that the seen rows explain."""
        return self._function.signal * (np.maximum(1.0 - explained, 0.0) + self._function.noise)

    def _unwarp(self, mean: FloatArray, variance: FloatArray) -> Prediction:
        """Maps the mean and the 90 % interval back; `std` is that of a normal variable with an interval as wide."""
        reach = _NORMAL_90 * np.sqrt(variance)
        width = self._warp.backward(mean + reach) - self._warp.backward(mean - reach)
        return Prediction(self._warp.backward(mean), width / (2.0 * _NORMAL_90))


def _quadratic_form(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """The value of row · matrix · row for rows of shape (n, m), shape (n,)."""
    form: FloatArray = np.einsum("ij,ij->i", rows @ matrix, rows)
    return form


def _interval_factor(residuals: FloatArray, std: FloatArray) -> float:
    """What to multiply `std` by for 90 % of the residuals to lie within ± 1.645 of it; 1 where no `std` is positive."""
    spread = std > 0
    if not spread.any():
        return 1.0
    ratios = np.abs(residuals[spread]) / std[spread]
    level = min(1.0, 0.9 * (len(ratios) + 1) / len(ratios))
    return float(np.quantile(ratios, level)) / _NORMAL_90
