"""Fitted predictors as evaluators of a search."""

from __future__ import annotations

import numpy as np
import pytest

from nas.jobs.stages.fit import FittedMetric
from predictors.registry import create_predictor
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w4a8"]))


@pytest.mark.parametrize("name", ["ridge", "ensemble"])
def test_predictions_are_those_of_the_predictor_within_the_bounds(name: str) -> None:
    rng = np.random.default_rng(0)
    known, new = SPACE.sample(rng, 60), SPACE.sample(rng, 200)
    predictor = create_predictor(name, 0)
    targets = known.size_features().mean(axis=1)
    targets += 98.0 - targets.mean()
    predictor.fit(known.features(), targets)
    mean = predictor.predict(new.features()).mean
    assert mean.min() < 99.0 < mean.max()
    assert FittedMetric(predictor, SPACE, (0.0, 99.0))(new) == pytest.approx(np.minimum(mean, 99.0))
