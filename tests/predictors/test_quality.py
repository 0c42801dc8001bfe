from __future__ import annotations

import numpy as np
import pytest

from predictors.predictor import Prediction
from predictors.quality import PredictorQuality, cross_validate
from predictors.ridge import RidgePredictor


def test_every_row_is_held_out_once_and_the_report_fits_a_line() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(103, 5))
    targets = features @ np.arange(5.0) + rng.normal(size=103)
    report = cross_validate(RidgePredictor, features, targets, folds=4, seed=1)
    assert (report.n_train, report.n_test) == (77, 103)
    assert report.kendall_tau > 0.7
    assert report.rmse == pytest.approx(1.0, abs=0.2)
    assert 0.8 <= report.coverage_90 <= 0.98
    assert report == cross_validate(RidgePredictor, features, targets, folds=4, seed=1)
    assert "\n" not in str(report)
    assert f"Kendall tau {report.kendall_tau:.3f}" in str(report)


def test_figures_of_a_known_prediction() -> None:
    prediction = Prediction(np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 0.5))
    report = PredictorQuality.compare(prediction, np.array([1.0, 2.0, 4.0, 3.0]), n_train=9)
    assert report.kendall_tau == pytest.approx(4 / 6)
    assert report.spearman == pytest.approx(0.8)
    assert report.rmse == pytest.approx(np.sqrt(0.5))
    assert report.coverage_90 == 0.5


def test_constant_targets_have_rank_correlation_zero() -> None:
    report = cross_validate(RidgePredictor, np.random.default_rng(0).normal(size=(20, 3)), np.full(20, 93.0))
    assert report.kendall_tau == report.spearman == 0.0
    assert report.rmse == pytest.approx(0.0)


@pytest.mark.parametrize(("n", "folds"), [(20, 1), (20, 21), (3, 2)])
def test_unfit_numbers_of_folds_are_refused(n: int, folds: int) -> None:
    with pytest.raises(ValueError, match="folds"):
        cross_validate(RidgePredictor, np.eye(n), np.arange(float(n)), folds=folds)
