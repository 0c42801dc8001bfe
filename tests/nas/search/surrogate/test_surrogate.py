"""A surrogate looks exact costs up, learns the others, and is optimistic by its own uncertainty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.objectives import FloatArray, Objective, compute_costs, compute_violations
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.surrogate import Learner, Surrogate
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
MACS, PARAMETERS = (network_cost(SPACE, name) for name in ("macs", "parameters"))
LIMIT = float(np.median(MACS(SPACE.sample(np.random.default_rng(9), 200).genes)))
KNOWN, OTHERS = (SPACE.sample(np.random.default_rng(seed), 60).unique() for seed in (0, 1))


def accuracy(population: Population) -> FloatArray:
    return 100.0 - 1e3 / np.sqrt(PARAMETERS(population.genes))


PROBLEM = SearchProblem(
    SPACE,
    (
        Objective(METRICS["accuracy"], accuracy),
        Objective(METRICS["macs"], lambda some: MACS(some.genes), LIMIT, exact=True, constraint=True),
    ),
)


def fit(kappa: float) -> Surrogate:
    archive, values = Archive(PROBLEM), np.column_stack([one.evaluate(KNOWN) for one in PROBLEM.objectives])
    costs, violations = (compute(PROBLEM.objectives, values) for compute in (compute_costs, compute_violations))
    archive.add(KNOWN, costs, violations)
    return Surrogate(PROBLEM, Learner("ensemble", 0), archive, np.random.default_rng(0), kappa)


def test_exact_costs_are_looked_up_and_clipped_and_others_are_learnt() -> None:
    surrogate = fit(kappa=0.0)
    costs, excess = surrogate(OTHERS)
    macs = MACS(OTHERS.genes)
    assert surrogate.warps[1].backward(costs[:, 1]) == pytest.approx(np.maximum(macs, LIMIT))
    assert np.array_equal(excess > 0, macs > LIMIT)
    assert np.corrcoef(costs[:, 0], -accuracy(OTHERS))[0, 1] > 0.9


def test_a_larger_kappa_hopes_for_lower_costs_of_what_is_not_exact() -> None:
    careful, bold = fit(kappa=0.0)(OTHERS)[0], fit(kappa=2.0)(OTHERS)[0]
    assert (bold[:, 0] < careful[:, 0]).all()
    assert np.array_equal(bold[:, 1], careful[:, 1])


def test_draws_scatter_where_costs_are_learnt_and_miss_limits_infinitely() -> None:
    drawn = fit(kappa=1.0).draw(OTHERS, 8, np.random.default_rng(0))
    assert drawn.shape == (8, len(OTHERS), 2)
    missed = MACS(OTHERS.genes) > LIMIT
    assert np.isinf(drawn[:, missed]).all()
    assert (drawn[:, ~missed, 0].std(axis=0) > 0).all()
    assert (drawn[:, ~missed, 1] == LIMIT).all()


def test_what_a_learner_learns_from_is_its_affair() -> None:
    seen = []

    def features(population: Population) -> FloatArray:
        seen.append(len(population))
        return population.one_hot()

    archive = Archive(PROBLEM)
    archive.add(KNOWN, np.column_stack([-accuracy(KNOWN), MACS(KNOWN.genes)]), np.zeros(len(KNOWN)))
    learner = replace(Learner("ridge", 0), features=features)
    Surrogate(PROBLEM, learner, archive, np.random.default_rng(0), 0.0)(OTHERS)
    assert seen == [len(KNOWN), len(OTHERS)]
