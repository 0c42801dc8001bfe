"""Contract tests of every registered predictor."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from predictors.predictor import FloatArray, Predictor
from predictors.registry import PREDICTORS, create_predictor


@pytest.fixture(params=sorted(PREDICTORS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def one_hot(rng: np.random.Generator, n: int, genes: int = 8, values: int = 3) -> FloatArray:
    return np.eye(values)[rng.integers(0, values, size=(n, genes))].reshape(n, genes * values)


def fitted(name: str, features: FloatArray, targets: FloatArray, seed: int = 0) -> Predictor:
    model = create_predictor(name, seed)
    model.fit(features, targets)
    return model


def test_same_seed_and_rows_give_the_same_prediction_also_after_a_refit(name: str) -> None:
    rng = np.random.default_rng(0)
    features, targets = one_hot(rng, 60), rng.normal(size=60)
    first = fitted(name, features, targets, seed=3)
    second = fitted(name, one_hot(rng, 20), rng.normal(size=20), seed=3)
    second.fit(features, targets)
    a, b = first.predict(features), second.predict(features)
    assert np.array_equal(a.mean, b.mean)
    assert np.array_equal(a.std, b.std)


@pytest.mark.parametrize("n", [0, 1, 9000])
def test_one_finite_mean_and_positive_std_per_row(name: str, n: int) -> None:
    rng = np.random.default_rng(1)
    prediction = fitted(name, one_hot(rng, 40), rng.normal(size=40)).predict(one_hot(rng, n))
    assert prediction.mean.shape == prediction.std.shape == (n,)
    assert np.isfinite(prediction.mean).all()
    assert np.isfinite(prediction.std).all()
    assert (prediction.std > 0).all()


def test_rows_are_predicted_independently_of_their_neighbours(name: str) -> None:
    rng = np.random.default_rng(2)
    model, rows = fitted(name, one_hot(rng, 40), rng.normal(size=40)), one_hot(rng, 10)
    assert np.allclose(model.predict(rows).mean[3:5], model.predict(rows[3:5]).mean)
    assert np.allclose(model.predict(rows).std[3:5], model.predict(rows[3:5]).std)


def test_an_exactly_linear_target_is_recovered(name: str) -> None:
    rng = np.random.default_rng(3)
    features, slope = one_hot(rng, 400), rng.normal(size=24)
    targets = 70 + features @ slope
    prediction = fitted(name, features[:200], targets[:200]).predict(features[200:])
    assert np.abs(prediction.mean - targets[200:]).max() < 0.05 * targets.std()


@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_coverage_is_calibrated_on_gaussian_noise(name: str, noise: float) -> None:
    rng = np.random.default_rng(4)
    features = one_hot(rng, 1200)
    targets = features @ rng.normal(size=24) + noise * rng.normal(size=1200)
    prediction = fitted(name, features[:200], targets[:200]).predict(features[200:])
    covered = np.mean(np.abs(prediction.mean - targets[200:]) <= 1.645 * prediction.std)
    assert 0.8 <= covered <= 0.99
    assert prediction.std.mean() == pytest.approx(noise, rel=0.5)


def test_std_is_larger_far_from_the_labelled_rows(name: str) -> None:
    rng = np.random.default_rng(5)
    near = rng.normal(size=(100, 4))
    model = fitted(name, near, near @ np.arange(4.0) + 0.1 * rng.normal(size=100))
    assert model.predict(near + 20.0).std.min() > 3 * model.predict(near).std.mean()


@pytest.mark.parametrize("targets", [[93.1, 93.1, 93.1], [1.0, 2.0], [0.0, 0.0, 0.0, 0.0, 1.0]], ids=str)
def test_tiny_and_constant_data_give_finite_predictions_near_the_labels(name: str, targets: list[float]) -> None:
    rows = np.eye(6)[: len(targets)]
    prediction = fitted(name, rows, np.array(targets)).predict(np.eye(6))
    assert np.isfinite(prediction.std).all()
    assert (prediction.mean >= min(targets) - 1e-6).all()
    assert (prediction.mean <= max(targets) + 1e-6).all()


def test_equal_rows_with_different_labels_are_allowed(name: str) -> None:
    prediction = fitted(name, np.ones((6, 3)), np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])).predict(np.ones((1, 3)))
    assert prediction.mean[0] == pytest.approx(2.0, abs=0.5)
    assert prediction.std[0] > 0.3


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        (np.ones(4), np.ones(4), "features must have shape"),
        (np.ones((4, 2)), np.ones(3), "targets must have one value per row"),
        (np.ones((4, 2)), np.ones((4, 1)), "targets must have one value per row"),
        (np.ones((1, 2)), np.ones(1), "at least 2 labelled rows"),
        (np.full((4, 2), np.nan), np.ones(4), "features must be finite"),
        (np.ones((4, 2)), np.array([1.0, 2.0, np.inf, 3.0]), "targets must be finite, got 1"),
    ],
)
def test_unfit_rows_are_refused(name: str, features: FloatArray, targets: FloatArray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_predictor(name).fit(features, targets)


def test_predict_needs_a_fit_and_its_number_of_columns(name: str) -> None:
    model = create_predictor(name)
    with pytest.raises(ValueError, match="only after fit"):
        model.predict(np.ones((1, 2)))
    model.fit(np.eye(4), np.arange(4.0))
    with pytest.raises(ValueError, match="the 4 columns of the fitted rows, got 2"):
        model.predict(np.ones((1, 2)))


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, predictors.registry, predictors.quality; print({'sklearn', 'scipy', 'torch'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_draws_scatter_around_the_mean_and_equal_rows_are_drawn_alike(name: str) -> None:
    rng = np.random.default_rng(11)
    features = one_hot(rng, 80)
    model = fitted(name, features, features @ rng.normal(size=24) + 0.1 * rng.normal(size=80))
    rows = one_hot(rng, 6)
    drawn = model.draw(rows, 4000, np.random.default_rng(0))
    prediction = model.predict(rows)
    assert drawn.shape == (4000, 6)
    assert np.array_equal(drawn, model.draw(rows, 4000, np.random.default_rng(0)))
    assert (np.abs(drawn.mean(axis=0) - prediction.mean) < 0.2 * prediction.std).all()
    assert (drawn.std(axis=0) < 1.2 * prediction.std).all()  # without the noise of a measurement, or as much
    assert model.draw(rows[:0], 3, rng).shape == (3, 0)
