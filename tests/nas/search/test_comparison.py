"""Searchers are compared by the volume that each has found after so many evaluations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.objectives import FloatArray, Objective
from nas.search.comparison import Comparison, estimate_interval95
from nas.search.protocol.problem import SearchProblem
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))


def sizes(population: Population) -> FloatArray:
    return population.genes.sum(axis=1).astype(float)


def comparison(limit: float | None = None) -> Comparison:
    objectives = (
        Objective(METRICS["macs"], sizes, limit),
        Objective(METRICS["accuracy"], lambda population: 50.0 + sizes(population)),
    )
    return Comparison(SearchProblem(SPACE, objectives), (20.0, 50.0), (5, 40))


def test_a_curve_is_that_of_its_seed_and_goes_on_where_it_was_kept(tmp_path: Path) -> None:
    kept = f"sqlite:///{tmp_path}/kept.db"
    first, again = (comparison().measure_curve("random", 0, kept) for _ in range(2))
    assert np.array_equal(first, again)
    assert 0 < first[0] <= first[1]
    assert first[1] == comparison().measure_curve("random", 0)[1]


def test_only_what_keeps_the_limits_has_volume() -> None:
    assert comparison(limit=-1.0).measure_curve("random", 0).tolist() == [0.0, 0.0]
    values = np.array([[10.0, 60.0], [2.0, 51.0]])
    assert comparison().measure_volume(values) == pytest.approx(10.0 * 10.0 + 8.0 * 1.0)
    assert comparison(limit=5.0).measure_volume(values) == pytest.approx(18.0 * 1.0)


def test_a_reference_is_beaten_by_somebody() -> None:
    comparison(limit=15.0).check_reference(np.array([[10.0, 60.0], [30.0, 90.0]]))
    with pytest.raises(ValueError, match="reference macs 20, accuracy 50, best values macs 10, accuracy 50;"):
        comparison(limit=15.0).check_reference(np.array([[10.0, 50.0], [30.0, 90.0]]))
    with pytest.raises(ValueError, match="nothing satisfies macs <= 5"):
        comparison(limit=5.0).check_reference(np.array([[10.0, 60.0]]))


def test_what_cannot_be_compared_is_refused() -> None:
    problem = comparison().problem
    with pytest.raises(ValueError, match=r"budgets must be one or more rising numbers from 1, got \[40, 5\]"):
        Comparison(problem, (20.0, 50.0), (40, 5))
    with pytest.raises(ValueError, match=r"a reference needs 2 finite values, got \[20.0\]"):
        Comparison(problem, (20.0,), (5, 40))
    with pytest.raises(ValueError, match="'evolution' takes 1 objective only, got 2; use one of linas"):
        comparison().measure_curve("evolution", 0)


def test_an_interval_holds_the_mean_of_its_samples() -> None:
    mean, half = estimate_interval95([1.0, 2.0, 3.0])
    assert (mean, half) == (2.0, pytest.approx(4.303 / np.sqrt(3), rel=1e-3))  # Student's t of two degrees of freedom
    assert np.isnan(estimate_interval95([1.0])[1])
