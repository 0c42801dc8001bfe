from __future__ import annotations

import numpy as np
import pytest

from predictors.ridge import RidgePredictor


def test_its_linear_function_is_its_prediction() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 5))
    model = RidgePredictor()
    model.fit(features, features @ np.arange(5.0) + 70.0)
    new = rng.normal(size=(4, 5))
    assert model.linear.offset + new @ model.linear.slope == pytest.approx(model.predict(new).mean)


def test_noise_is_penalised_and_signal_is_not() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(40, 20))
    noisy, clean = RidgePredictor(), RidgePredictor()
    noisy.fit(features, rng.normal(size=40))
    clean.fit(features, features @ np.ones(20))
    assert np.linalg.norm(noisy.linear.slope) < 0.3
    assert np.abs(clean.linear.slope - 1.0).max() < 1e-3


@pytest.mark.parametrize("penalties", [(), (1.0, 0.0), (-1.0,)])
def test_penalties_are_positive(penalties: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="penalties must be one or more positive numbers"):
        RidgePredictor(penalties)
