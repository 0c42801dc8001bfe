from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.archive import Archive
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
POPULATION = SPACE.sample(np.random.default_rng(0), 12).unique().take(slice(0, 4))
COSTS = np.array([[1.0, 9.0], [2.0, 3.0], [5.0, 1.0], [0.5, 0.5]])


@pytest.fixture
def archive() -> Archive:
    limited = Objective(METRICS["macs"], lambda _: np.empty(0), limit=4.0, constraint=True)
    return Archive(SearchProblem(SPACE, (Objective(METRICS["bops"], lambda _: np.empty(0)), limited)))


def test_outcomes_are_kept_in_the_order_of_telling(archive: Archive) -> None:
    archive.add(POPULATION.take(slice(0, 1)), COSTS[:1], np.array([1.25]))
    archive.add(POPULATION.take(slice(1, 4)), COSTS[1:], np.zeros(3))
    assert len(archive) == 4
    assert np.array_equal(archive.population.genes, POPULATION.genes)
    first = archive.take_first(2)
    assert np.array_equal(first.costs, COSTS[:2])
    assert first.violations.tolist() == [1.25, 0.0]


def test_the_front_is_of_what_is_feasible_or_else_of_all(archive: Archive) -> None:
    archive.add(POPULATION.take(slice(0, 3)), COSTS[:3], np.array([1.25, 0.0, 0.0]))
    assert archive.is_feasible
    assert archive.front.tolist() == [[2.0, 4.0]]  # both keep the limit, so the constraint does not tell them apart
    assert np.array_equal(archive.sort_best_first(), POPULATION.genes[[1, 2, 0]])
    nothing = archive.take_first(1)
    assert not nothing.is_feasible
    assert nothing.front.tolist() == [[1.0, 9.0]]
