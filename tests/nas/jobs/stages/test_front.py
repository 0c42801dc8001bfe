"""Which candidates make a front, by values that are given."""

from __future__ import annotations

import numpy as np
import pytest

from nas.jobs.stages.front import feasible_front, thinned_front, valued
from nas.objectives import NothingFeasible, Objective
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space


def objectives(limit: float | None = None) -> list[Objective]:
    latency = Objective(METRICS["latency_ms"], lambda population: np.arange(len(population), 0.0, -1.0), exact=True)
    return [Objective(METRICS["accuracy"], lambda population: np.zeros(len(population)), limit), latency]


def test_the_front_keeps_the_limits_and_starts_with_the_best() -> None:
    values = np.array([[90.0, 1.0], [97.0, 4.0], [95.0, 2.0], [94.0, 3.0]])
    assert feasible_front(objectives(), values).tolist() == [1, 2, 0]
    assert feasible_front(objectives(95.0), values).tolist() == [1, 2]


def test_where_no_expected_accuracy_keeps_the_limit_it_says_how_near_the_nearest_comes() -> None:
    values = np.array([[90.0, 1.0], [97.0, 4.0]])
    nearest = r"let expect, nothing satisfies accuracy >= 98: the nearest of 2 candidates has accuracy 97; relax"
    with pytest.raises(NothingFeasible, match=nearest):
        feasible_front(objectives(98.0), values)


def test_values_are_of_the_accuracy_that_is_given() -> None:
    population = JointSpace(create_space("resnet20_cifar", 3, 10)).sample(np.random.default_rng(0), 3)
    accuracy = np.array([90.0, 91.0, 92.0])
    assert valued(objectives(), population, accuracy).tolist() == [[90.0, 3.0], [91.0, 2.0], [92.0, 1.0]]


def test_a_thinned_front_keeps_its_ends() -> None:
    """The smallest network lies in the middle of the order by accuracy, and stays."""
    three = [
        *objectives(),
        Objective(METRICS["weight_bytes"], lambda population: np.zeros(len(population)), exact=True),
    ]
    values = np.array([[90.0 + row, 1.0 + row, 50.0 if row == 7 else 100.0 - row] for row in range(20)])
    for count in (3, 4, 10):
        kept = thinned_front(three, values, count).tolist()
        assert len(kept) == count
        assert {19, 0, 7} <= set(kept)
    assert thinned_front(three, values, 30).tolist() == feasible_front(three, values).tolist()
