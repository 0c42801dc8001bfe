"""The columns of what was found follow from the objectives."""

from __future__ import annotations

import numpy as np

from nas.jobs.stages.expected_values import ExpectedValues
from nas.jobs.stages.search_outcome import Judged
from nas.objectives import FloatArray, Objective
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet20_cifar", 3, 10))


def never(_: Population) -> FloatArray:
    raise AssertionError("its values are known")


def test_a_column_for_each_thing_that_is_known() -> None:
    objectives = (Objective(METRICS["accuracy"], never), Objective(METRICS["energy_mj"], never, exact=True))
    values = np.array([[90.0, 2.0], [80.0, 1.0]])
    expected = {"accuracy": ExpectedValues(values[:, 0], np.array([1.0, 2.0]))}
    population = SPACE.sample(np.random.default_rng(0), 2)
    plain = Judged(population, expected, values).table(objectives)
    known = ["key", "description", "expected_accuracy", "expected_accuracy_std"]
    assert plain.columns.tolist() == [*known, "energy_mj"]
    measured = {"accuracy": np.array([91.0, 79.0])}
    full = Judged(population, expected, values, measured, {"accuracy": np.array([89.0, 81.0])}).table(objectives)
    assert full.columns.tolist() == [*known, "measured_accuracy", "predicted_accuracy", "energy_mj"]
    assert full["key"].tolist() == [one.key for one in population.candidates]
    assert full["energy_mj"].tolist() == [2.0, 1.0]
