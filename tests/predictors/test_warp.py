from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from predictors.predictor import FloatArray
from predictors.warp import Warp

SAMPLES = {
    "normal": np.random.default_rng(0).normal(90, 2, size=200),
    "collapsed networks": np.concatenate([np.full(10, 10.0), 94 - np.random.default_rng(1).gamma(2, 2, size=190)]),
    "long latencies": np.random.default_rng(2).lognormal(1, 1, size=200),
    "ties": np.repeat([5.0, 5.0, 5.0, 5.0, 7.0, 11.0], 20),
    "constant": np.full(5, 93.0),
}


@pytest.mark.parametrize("targets", SAMPLES.values(), ids=SAMPLES.keys())
def test_backward_undoes_forward_and_increases_everywhere(targets: FloatArray) -> None:
    warp = Warp.fit(targets)
    assert np.allclose(warp.backward(warp.forward(targets)), targets)
    line = warp.backward(np.linspace(-8, 8, 1001))
    assert np.isfinite(line).all()
    assert (np.diff(line) > 0).all()


@pytest.mark.parametrize("name", ["collapsed networks", "long latencies"])
def test_warped_targets_are_less_skewed(name: str) -> None:
    warped = Warp.fit(SAMPLES[name]).forward(SAMPLES[name])
    assert abs(skew(warped)) < 0.5 * abs(skew(SAMPLES[name]))
    assert (warped.mean(), warped.std()) == pytest.approx((0.0, 1.0))
