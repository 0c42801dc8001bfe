"""Ridge regression: a linear prediction with an informative standard deviation.

It learns no interactions between features. On one-hot codes it is an additive model of the choices, and fits in
milliseconds.
"""

from __future__ import annotations

import numpy as np

from predictors.predictor import FloatArray, Linear, Prediction, Predictor


class RidgePredictor(Predictor):
    """Linear model whose penalty is chosen by exact leave-one-out errors.

    The leave-one-out residual of row i has variance s² (1 + leverage without i) = s² / (1 - h_i), where h_i is the
    row's leverage (Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 7.10 and 3.4.1). So
    s² = mean(residual_i² (1 - h_i)), and a new row has variance s² (1 + its leverage), as in Bayesian ridge regression
    (Bishop, Pattern Recognition and Machine Learning, 3.3.2): it grows with the distance to the fitted rows.

    Args:
        penalties: The penalties to choose from, each > 0; None for 25 from 1e-6 to 1e6 on a log grid.

    Raises:
        ValueError: If `penalties` is empty or one is not positive.
    """

    def __init__(self, penalties: tuple[float, ...] | None = None) -> None:
        super().__init__()
        self.penalties = tuple(np.logspace(-6, 6, 25).tolist()) if penalties is None else penalties
        if not self.penalties or not all(penalty > 0 for penalty in self.penalties):
            raise ValueError(f"penalties must be one or more positive numbers, got {self.penalties}")

    @property
    def linear(self) -> Linear:
        """The prediction as a linear function; only after a fit."""
        return Linear(self._slope, self._offset - float(self._center @ self._slope))

    def _fit(self, features: FloatArray, targets: FloatArray) -> None:
        from sklearn.linear_model import RidgeCV

        model = RidgeCV(alphas=self.penalties, store_cv_results=True).fit(features, targets)
        self._slope = np.asarray(model.coef_, dtype=np.float64)
        self._center = features.mean(axis=0)
        self._offset = float(targets.mean())
        self._n = len(features)
        centered = features - self._center
        self._inverse = np.linalg.inv(centered.T @ centered + model.alpha_ * np.eye(features.shape[1]))
        squared_errors = model.cv_results_[:, self.penalties.index(model.alpha_)]
        leverage = np.clip(self._leverage(features), 0.0, 1.0)
        self._variance = float(np.mean(squared_errors * (1.0 - leverage)))

    def _predict(self, features: FloatArray) -> Prediction:
        mean = self._offset + (features - self._center) @ self._slope
        return Prediction(mean, np.sqrt(self._variance * (1.0 + self._leverage(features))))

    def _leverage(self, features: FloatArray) -> FloatArray:
        centered = features - self._center
        leverage: FloatArray = 1.0 / self._n + np.einsum("ij,ij->i", centered @ self._inverse, centered)
        return leverage
