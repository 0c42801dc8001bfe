"""Fitted predictors as evaluators of a search."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.run import run_job
from nas.jobs.stages.fit import FittedMetric
from nas.jobs.workspace import Workspace
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


def test_what_can_be_measured_at_once_is_not_predicted(tmp_path: Path) -> None:
    only = {"resolution": [12], "depth": [1], "kernel": [3], "expand": [2, 3]}
    space = {"name": "mobilenet_v3_digits", "policies": ["w8a8"], "only": only}
    job = {"name": "few", "space": space, "search": {"quality": "predicted", "objectives": ["accuracy", "macs"]}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    workspace = Workspace(load_job(tmp_path / "job.yaml"), tmp_path / "runs", Reporter(Console(file=io.StringIO())))
    with pytest.raises(ValueError, match=r"needs 10 or more candidates .* the space has 4; take quality: measured"):
        run_job(workspace)
    assert not list(tmp_path.glob("runs/*/*"))
