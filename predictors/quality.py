"""How far a predictor can be trusted: rank correlations, error and coverage on rows that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from predictors.predictor import FloatArray, Prediction, Predictor, check_labelled_rows


@dataclass(frozen=True)
class PredictorQuality:
    """Agreement of predictions with targets, on rows that were not fitted.

    Attributes:
        kendall_tau: Kendall's tau-b of predictions and targets, -1..1; 0 if either is constant.
        spearman: Spearman's rank correlation, -1..1; 0 if either is constant.
        rmse: Root mean squared error, in the unit of the targets.
        coverage_90: Share of the targets within mean ± 1.645 std: 0.9 if the stated uncertainty is right, less if it is
            overconfident.
        n_train: Rows that the predictor was fitted on (the smallest number over the folds).
        n_test: Rows that were predicted.
    """

    kendall_tau: float
    spearman: float
    rmse: float
    coverage_90: float
    n_train: int
    n_test: int

    def __str__(self) -> str:
        return (
            f"Kendall tau {self.kendall_tau:.3f}, Spearman {self.spearman:.3f}, RMSE {self.rmse:.4g}, "
            f"90 % interval covers {self.coverage_90:.1%} ({self.n_train} rows fitted, {self.n_test} held out)"
        )

    @classmethod
    def compare(cls, prediction: Prediction, targets: FloatArray, n_train: int) -> PredictorQuality:
        """The quality of predictions.

        The correlations are undefined (NaN) when the targets or the predictions are constant. They are then reported as
        0: such a predictor gives no reason to prefer any row to another, and 0 is easily compared with others.

        Args:
            prediction: Prediction of n rows.
            targets: Targets of the same rows, shape (n,).
            n_train: Rows that the predictor was fitted on.
        """
        from scipy.stats import kendalltau, spearmanr

        varied = np.ptp(prediction.mean) > 0 and np.ptp(targets) > 0
        return cls(
            kendall_tau=float(kendalltau(prediction.mean, targets).statistic) if varied else 0.0,
            spearman=float(spearmanr(prediction.mean, targets).statistic) if varied else 0.0,
            rmse=float(np.sqrt(np.mean((prediction.mean - targets) ** 2))),
            coverage_90=float(np.mean(np.abs(prediction.mean - targets) <= 1.645 * prediction.std)),
            n_train=n_train,
            n_test=len(targets),
        )


def cross_validate(
    make: Callable[[], Predictor], features: ArrayLike, targets: ArrayLike, folds: int = 5, seed: int = 0
) -> PredictorQuality:
    """Predicts every row once, by a predictor fitted on the other folds, and compares (k-fold cross-validation).

    Args:
        make: Makes a fresh predictor; called once per fold.
        features: Shape (n, f).
        targets: Shape (n,).
        folds: Number of folds, 2..n; without any one of them at least 2 rows must be left to fit.
        seed: Seed of the split.

    Raises:
        ValueError: If `check_labelled_rows` refuses the rows, if there are fewer than 2 folds or more folds than rows,
            or if the other folds leave fewer than 2 rows to fit.
    """
    rows, labels = check_labelled_rows(features, targets)
    n = len(rows)
    if not 2 <= folds <= n:
        raise ValueError(f"the number of folds must be 2 to the number of rows, {n}, got {folds}")
    n_train = n - -(-n // folds)
    if n_train < 2:
        raise ValueError(
            f"{folds} folds of {n} rows leave {n_train} row to fit, but a predictor needs 2; label more rows"
        )
    assigned = np.random.default_rng(seed).permutation(n) % folds
    mean, std = np.empty(n), np.empty(n)
    for fold in range(folds):
        test = assigned == fold
        model = make()
        model.fit(rows[~test], labels[~test])
        prediction = model.predict(rows[test])
        mean[test], std[test] = prediction.mean, prediction.std
    return PredictorQuality.compare(Prediction(mean, std), labels, n_train)
