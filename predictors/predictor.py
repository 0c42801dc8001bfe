"""The contract of a predictor: it learns from labelled feature rows, and gives a mean and a standard deviation per row.

Independent of architectures, metrics and units: a prediction is in the unit of the targets that were fitted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What a predictor expects of `n` rows, in the unit of the targets.

    Attributes:
        mean: Best guess for each row, shape (n,).
        std: Standard deviation of a new measurement around it, shape (n,): doubt of the model and noise of the labels.
            About 90 % of measurements lie within `mean` ± 1.645 `std`.
    """

    mean: FloatArray
    std: FloatArray


@dataclass(frozen=True)
class Linear:
    """A linear function, `offset + features @ slope`.

    Attributes:
        slope: Shape (f,).
        offset: The value where all features are 0.
    """

    slope: FloatArray
    offset: float


class Predictor(ABC):
    """Learns a value from labelled rows. Refitting starts afresh; equal seeds and rows give equal predictions.

    Subclasses implement `_fit` and `_predict`, which receive checked arrays.
    """

    def __init__(self) -> None:
        self._width: int | None = None

    @property
    def linear(self) -> Linear | None:
        """The fitted means as a linear function, which can be summed by gene; None if they are not linear."""
        return None

    def fit(self, features: ArrayLike, targets: ArrayLike) -> None:
        """Learns from labelled rows and forgets all earlier ones.

        Args:
            features: Shape (n, f), n >= 2, finite; columns on comparable scales (one-hot codes are).
            targets: Shape (n,), finite.

        Raises:
            ValueError: If the features are not of shape (n, f) with f >= 1, there is not one target per row, there are
                fewer than 2 rows, or a value is not finite.
        """
        rows, labels = check_labelled_rows(features, targets)
        self._width = None
        self._fit(rows, labels)
        self._width = rows.shape[1]

    def predict(self, features: ArrayLike) -> Prediction:
        """Predicts every row.

        Args:
            features: Shape (n, f), with the f of the fitted rows; n may be 0.

        Raises:
            ValueError: If nothing was fitted yet, the features have not the columns of the fitted rows, or a value is
                not finite, be it a feature or a prediction.
        """
        prediction = self._predict(self._checked(features))
        self._check_finite(prediction.mean, prediction.std)
        return prediction

    def draw(self, features: ArrayLike, count: int, rng: np.random.Generator) -> FloatArray:
        """Draws values of the rows from their distribution after the fit, without the noise of measurements if known.

        Args:
            features: Shape (n, f), with the f of the fitted rows.
            count: Number of draws.
            rng: Source of the draws.

        Returns:
            Shape (count, n). Predictors that know the covariance of rows draw them jointly, others independently.

        Raises:
            ValueError: If nothing was fitted yet, the features have not the columns of the fitted rows, or a value is
                not finite, be it a feature or a draw.
        """
        drawn = self._draw(self._checked(features), count, rng)
        self._check_finite(drawn)
        return drawn

    def _check_finite(self, *values: FloatArray) -> None:
        if not all(np.isfinite(some).all() for some in values):
            raise ValueError(f"{type(self).__name__} predicts values that are not finite; take another predictor")

    def _checked(self, features: ArrayLike) -> FloatArray:
        """The features as an array, checked against the fitted rows."""
        if self._width is None:
            raise ValueError(f"{type(self).__name__} predicts only after fit(features, targets)")
        rows = _feature_rows(features)
        if rows.shape[1] != self._width:
            raise ValueError(f"features must have the {self._width} columns of the fitted rows, got {rows.shape[1]}")
        return rows

    def _draw(self, features: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
        """Draws of checked rows; here each row for itself, by its mean and standard deviation."""
        prediction = self._predict(features)
        normal = rng.normal(size=(count, len(prediction.mean)))
        drawn: FloatArray = prediction.mean + prediction.std * normal
        return drawn

    @abstractmethod
    def _fit(self, features: FloatArray, targets: FloatArray) -> None:
        """Learns from rows of shape (n, f) and targets of shape (n,), all finite, n >= 2."""

    @abstractmethod
    def _predict(self, features: FloatArray) -> Prediction:
        """Predicts rows of shape (n, f), finite, f as fitted."""


def check_labelled_rows(features: ArrayLike, targets: ArrayLike, fewest: int = 2) -> tuple[FloatArray, FloatArray]:
    """Checks labelled rows and returns them as arrays of shapes (n, f) and (n,).

    Args:
        features: Shape (n, f).
        targets: Shape (n,).
        fewest: The least n that is enough.

    Raises:
        ValueError: If the features are not of shape (n, f) with f >= 1, there is not one target per row, there are
            fewer than `fewest` rows, or a value is not finite.
    """
    rows = _feature_rows(features)
    labels = np.asarray(targets, dtype=np.float64)
    if labels.shape != (len(rows),):
        raise ValueError(f"targets must have one value per row, shape ({len(rows)},), got {labels.shape}")
    if len(rows) < fewest:
        raise ValueError(f"a predictor needs at least {fewest} labelled rows, got {len(rows)}")
    if not np.isfinite(labels).all():
        raise ValueError(
            f"targets must be finite, got {np.count_nonzero(~np.isfinite(labels))} that are not; drop them"
        )
    return rows, labels


def _feature_rows(features: ArrayLike) -> FloatArray:
    """The features as an array; raises ValueError unless its shape is (n, f) with f >= 1 and all values are finite."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"features must have shape (n, f) with f >= 1, got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"features must be finite, got {np.count_nonzero(~np.isfinite(rows))} values that are not")
    return rows
