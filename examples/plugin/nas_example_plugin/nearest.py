"""A predictor that corrects a linear trend by what it misses at the nearest labelled rows."""

from __future__ import annotations

import numpy as np

from predictors.predictor import FloatArray, Prediction, Predictor

_NEIGHBOURS = 5
_PENALTIES = np.logspace(-4, 2, 7)[:, None]  # in mean variances of the features: from a full trend to almost none
_LEAST_SPREAD = 1e-9  # of the largest target, so that a standard deviation is above 0 where all targets are equal


class NearestPredictor(Predictor):
    """A ridge regression, plus the mean residual of the nearest labelled rows.

    The standard deviation is the error on rows that were left out, and grows with the distance to the neighbours.

    Args:
        seed: Not used: nothing here is random.
    """

    def __init__(self, seed: int) -> None:  # noqa: ARG002  # what every predictor is made with
        super().__init__()

    def _fit(self, features: FloatArray, targets: FloatArray) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._center, self._offset = features.mean(axis=0), targets.mean()
        left, scale, right = np.linalg.svd(features - self._center, full_matrices=False)
        penalties = _PENALTIES * ((scale**2).mean() or 1.0)
        shrinkage = scale**2 / (scale**2 + penalties)  # shape (penalties, components)
        projected = left.T @ (targets - self._offset)
        residuals = targets - self._offset - (shrinkage * projected) @ left.T  # shape (penalties, n)
        held_out = residuals / (1 - 1 / len(targets) - shrinkage @ left.T**2)  # each row by a fit to the others
        best = int((held_out**2).sum(axis=1).argmin())
        self._slope = right.T @ (projected * scale / (scale**2 + penalties[best]))
        self._residuals = residuals[best]
        self._nearest = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(targets) - 1), algorithm="kd_tree")
        distances, rows = self._nearest.fit(features).kneighbors()  # a row is no neighbour of itself
        errors = held_out[best] - self._residuals[rows].mean(axis=1)
        self._spread = max(np.sqrt((errors**2).mean()), _LEAST_SPREAD * max(np.abs(targets).max(), 1.0))
        self._usual_distance = distances.mean() or 1.0

    def _predict(self, features: FloatArray) -> Prediction:
        if len(features) == 0:
            return Prediction(np.empty(0), np.empty(0))
        distances, rows = self._nearest.kneighbors(features)
        trend = self._offset + (features - self._center) @ self._slope
        doubt = np.maximum(distances.mean(axis=1) / self._usual_distance, 1.0)
        return Prediction(trend + self._residuals[rows].mean(axis=1), self._spread * doubt)
