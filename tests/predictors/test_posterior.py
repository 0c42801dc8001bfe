from __future__ import annotations

import numpy as np
import pytest

from predictors.posterior import Noise, infer_noise_free
from predictors.predictor import FloatArray


def of(std: float) -> Noise:
    return lambda values: np.full(len(values), std)


def made_up(seed: int, n: int, noise: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One-hot rows, the values of a smooth function of them with standard deviation 1, and noisy measurements."""
    rng = np.random.default_rng(seed)
    features = np.eye(3)[rng.integers(0, 3, size=(n, 10))].reshape(n, 30)
    values = features @ rng.normal(size=30) + 0.5 * np.sin(features @ rng.normal(size=30))
    values = (values - values.mean()) / values.std()
    return features, values, values + noise * rng.normal(size=n)


def test_the_best_holds_what_its_posterior_promises() -> None:
    raw, promised, inside = [], [], []
    for seed in range(30):
        features, values, targets = made_up(seed, 100, noise=1.0)
        found = infer_noise_free(features, targets, of(1.0))
        luckiest, best = targets.argmax(), found.mean.argmax()
        raw.append(targets[luckiest] - values[luckiest])
        promised.append(found.mean[best] - values[best])
        inside.append(np.abs(found.mean - values) <= 1.645 * found.std)
    assert np.mean(raw) > 1.0  # the winner's curse
    standard_error = np.std(promised) / np.sqrt(len(promised))
    assert abs(np.mean(promised)) < min(0.25 * np.mean(raw), 3 * standard_error + 0.05)
    assert 0.80 <= np.mean(inside) <= 0.97


def test_without_noise_it_returns_the_targets() -> None:
    features, _, _ = made_up(0, 100, noise=0.0)
    values = features @ np.random.default_rng(1).normal(size=30)
    found = infer_noise_free(features, values, of(0.0))
    assert np.abs(found.mean - values).max() < 0.05 * values.std()
    assert found.std.max() < 0.05 * values.std()


def test_noise_that_is_known_is_heeded_where_the_targets_do_not_show_it() -> None:
    features, values, _ = made_up(1, 100, noise=0.0)
    trusting, careful = (infer_noise_free(features, values, of(std)) for std in (0.0, 0.5))
    assert careful.std.mean() > 3 * trusting.std.mean()
    assert np.ptp(careful.mean) < np.ptp(trusting.mean)


def test_noise_follows_from_the_value_and_not_from_the_target() -> None:
    features, _, targets = made_up(2, 60, noise=0.2)
    lucky = targets.argmax()
    targets[lucky] += 5.0

    def lucky_looks_precise(values: FloatArray) -> FloatArray:
        return np.where(values > 4.0, 0.0, 1.0)

    found = infer_noise_free(features, targets, lucky_looks_precise)
    assert found.mean[lucky] < targets[lucky] - 2.0


def test_of_too_many_rows_each_is_judged_by_some_and_by_its_own_target() -> None:
    features, values, targets = made_up(3, 900, noise=1.0)
    found, again = (infer_noise_free(features, targets, of(1.0), seed=7) for _ in range(2))
    assert np.array_equal(found.mean, again.mean)
    assert np.sqrt(np.mean((found.mean - values) ** 2)) < 0.4
    assert 0.80 <= np.mean(np.abs(found.mean - values) <= 1.645 * found.std) <= 0.97


@pytest.mark.parametrize("n", [1, 7])
def test_few_rows_are_what_they_are(n: int) -> None:
    found = infer_noise_free(np.eye(n), np.arange(float(n)), of(0.3))
    assert found.mean.tolist() == list(range(n))
    assert found.std.tolist() == [0.3] * n


@pytest.mark.parametrize("std", [0.0, 0.5])
def test_constant_targets_stay_what_they_are(std: float) -> None:
    found = infer_noise_free(np.eye(12), np.full(12, 93.0), of(std))
    assert found.mean == pytest.approx(93.0)
    assert (found.std <= std).all()


@pytest.mark.parametrize("count", [3, 9])
def test_bad_rows_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="targets must be finite"):
        infer_noise_free(np.eye(count), np.full(count, np.nan), of(1.0))


@pytest.mark.parametrize("odd", [95.0, 97.6, 99.9])
def test_targets_that_differ_by_less_than_their_noise_stay_where_they_are(odd: float) -> None:
    targets = np.array([97.2] * 9 + [odd])
    features = np.random.default_rng(0).integers(0, 2, (10, 6)).astype(float)
    found = infer_noise_free(features, targets, lambda values: np.full_like(values, 3.0))
    assert targets.min() <= found.mean.min()
    assert found.mean.max() <= targets.max()
    assert found.std.max() <= 3.0
