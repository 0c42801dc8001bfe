"""The linear model is Bayesian regression, and asks for what tells it most."""

from __future__ import annotations

import numpy as np
import pytest

from predictors.linear_model import LinearModel

RNG = np.random.default_rng(0)
FEATURES, TARGETS = RNG.normal(size=(12, 4)), RNG.normal(size=12)
STD, NOISE = np.array([1.0, 0.5, 2.0, 0.1]), 0.3
PRIOR = LinearModel.prior(np.array([0.0, 1.0, -1.0, 0.0]), STD, NOISE)


def test_measurements_give_the_posterior_of_the_textbook() -> None:
    found = PRIOR.observe(FEATURES, TARGETS)
    precision = np.diag(STD**-2) + FEATURES.T @ FEATURES / NOISE
    mean = np.linalg.solve(precision, PRIOR.mean / STD**2 + FEATURES.T @ TARGETS / NOISE)
    np.testing.assert_allclose(found.mean, mean, atol=1e-10)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(precision), atol=1e-10)
    predicted, std = found.predict(FEATURES[:3])
    np.testing.assert_allclose(predicted, FEATURES[:3] @ mean)
    np.testing.assert_allclose(std**2, np.diag(FEATURES[:3] @ np.linalg.inv(precision) @ FEATURES[:3].T))


def test_one_after_the_other_is_all_at_once() -> None:
    once, twice = PRIOR.observe(FEATURES, TARGETS), PRIOR.observe(FEATURES[:5], TARGETS[:5])
    twice = twice.observe(FEATURES[5:], TARGETS[5:])
    np.testing.assert_allclose(once.mean, twice.mean, atol=1e-10)
    np.testing.assert_allclose(once.covariance, twice.covariance, atol=1e-10)
    np.testing.assert_array_equal(PRIOR.observe(FEATURES[:0], TARGETS[:0]).mean, PRIOR.mean)


def test_the_scale_is_that_of_the_data() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 4))
    targets = features @ (PRIOR.mean + 3 * STD * rng.normal(size=4)) + 3 * NOISE**0.5 * rng.normal(size=400)
    assert PRIOR.scale(features, targets) == pytest.approx(3, rel=0.1)


def test_the_next_measurement_leaves_the_least_variance() -> None:
    done = [4]
    known = PRIOR.observe(FEATURES[done], np.zeros(1))
    left = [
        (np.mean(known.observe(FEATURES[[row]], np.zeros(1)).predict(FEATURES)[1] ** 2), row)
        for row in range(12)
        if row not in done
    ]
    first, second = known.choose_measurements(FEATURES, 2, done)
    assert first == min(left)[1]
    after = PRIOR.observe(FEATURES[[*done, first]], np.zeros(2))
    assert after.choose_measurements(FEATURES, 1, [*done, first]) == [second]
    everything = known.choose_measurements(FEATURES, 99, done)
    assert sorted([*everything, *done]) == list(range(12))


@pytest.mark.parametrize(
    ("mean", "std", "noise"), [([0.0], [1.0, 1.0], 1.0), ([0.0], [-1.0], 1.0), ([0.0], [1.0], 0.0)]
)
def test_impossible_priors_are_refused(mean: list[float], std: list[float], noise: float) -> None:
    with pytest.raises(ValueError, match="a prior needs"):
        LinearModel.prior(np.array(mean), np.array(std), noise)
