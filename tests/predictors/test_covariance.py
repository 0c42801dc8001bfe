from __future__ import annotations

import numpy as np
import pytest

from predictors.covariance import CovarianceFunction


def test_correlation_falls_with_the_distance_from_1() -> None:
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0]])
    found = CovarianceFunction(length=5.0, signal=2.0, noise=0.1).correlation(rows, rows)
    assert np.allclose(np.diag(found), 1.0)
    assert found[0, 2] == pytest.approx(np.exp(-0.5))
    assert found[0, 1] > found[1, 2] > found[0, 2]


@pytest.mark.parametrize(("length", "noise"), [(0.5, 0.01), (2.0, 0.1)])
def test_the_most_likely_function_is_near_the_one_that_drew_the_targets(length: float, noise: float) -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(-4, 4, size=(250, 1))
    truth = CovarianceFunction(length, 3.0, noise)
    covariance = truth.signal * (truth.correlation(rows, rows) + noise * np.eye(250))
    targets = np.linalg.cholesky(covariance) @ rng.normal(size=250)
    found = CovarianceFunction.most_likely(rows, targets)
    assert found.length == pytest.approx(length, rel=0.5)
    assert found.signal * found.noise == pytest.approx(truth.signal * noise, rel=0.5)


def test_noise_that_is_known_is_never_denied() -> None:
    rows = np.linspace(0, 1, 40)[:, None]
    found = CovarianceFunction.most_likely(rows, np.sin(6 * rows[:, 0]), least_noise=0.2)
    assert found.signal * found.noise >= 0.2 * (1 - 1e-9)


def test_constant_targets_are_no_signal() -> None:
    assert CovarianceFunction.most_likely(np.eye(4), np.zeros(4)).signal < 1e-200
