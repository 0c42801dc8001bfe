from __future__ import annotations

import numpy as np
import pytest

from predictors.ensemble import EnsemblePredictor
from predictors.predictor import FloatArray
from predictors.ridge import RidgePredictor


def one_hot_rows(rng: np.random.Generator, n: int) -> FloatArray:
    return np.eye(3)[rng.integers(0, 3, size=(n, 8))].reshape(n, 24)


def test_it_learns_interactions_that_no_additive_model_has() -> None:
    left = np.zeros((3, 2))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        features = one_hot_rows(rng, 400)
        targets = features[:, 0] * features[:, 3] + features[:, 6] * features[:, 9]
        for column, model in enumerate((EnsemblePredictor(members=5), RidgePredictor())):
            model.fit(features[:300], targets[:300])
            left[seed, column] = (targets[300:] - model.predict(features[300:]).mean).std()
    ensemble, additive = left.mean(axis=0)
    assert ensemble < 0.8 * additive  # 0.6 over six seeds


def test_there_are_no_more_members_than_rows_and_no_fewer_than_two() -> None:
    model = EnsemblePredictor(members=10)
    model.fit(np.eye(3), np.arange(3.0))
    assert model.predict(np.eye(3)).mean.shape == (3,)
    with pytest.raises(ValueError, match="an ensemble needs at least 2 members, got 1"):
        EnsemblePredictor(members=1)


def test_draws_lie_around_the_mean_beyond_what_was_seen() -> None:
    """Where skewed targets are warped, the way back is a straight line beyond them, and the way there is not."""
    rng = np.random.default_rng(0)
    features = one_hot_rows(rng, 160)
    values = features @ rng.normal(size=24)
    order = np.argsort(values)
    middle, ends = order[20:-20], features[order[[0, -1]]]
    model = EnsemblePredictor(members=5)
    model.fit(features[middle], np.exp(values[middle]))
    prediction = model.predict(ends)
    assert prediction.mean[0] < np.exp(values[middle].min())
    assert prediction.mean[1] > np.exp(values[middle].max())
    medians = np.median(model.draw(ends, 4000, np.random.default_rng(0)), axis=0)
    assert (np.abs(medians - prediction.mean) < 0.1 * prediction.std).all()


def test_draws_are_whole_functions() -> None:
    """Two equal rows have one value in a draw: errors of a model are shared, and not averaged away."""
    rng = np.random.default_rng(12)
    features = one_hot_rows(rng, 40)
    model = EnsemblePredictor(members=5)
    model.fit(features, features @ rng.normal(size=24))
    row = one_hot_rows(rng, 1)
    pair = model.draw(np.concatenate([row, row]), 200, np.random.default_rng(0))
    assert np.abs(pair[:, 0] - pair[:, 1]).mean() < 0.1 * pair[:, 0].std()
