"""The integer program finds what brute force finds."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.search.integer_program.minimizer import AdditiveMinimizer
from search_spaces.additive_cost import AdditiveCost, DerivedColumn, Term
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
EVERYTHING = SPACE.population(np.indices(tuple(SPACE.cardinalities)).reshape(len(SPACE.cardinalities), -1).T).unique()


@pytest.mark.parametrize("seed", range(20))
def test_it_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = EVERYTHING.one_hot()
    cost, size, time = rng.integers(-9, 10, (3, features.shape[1])).astype(float)
    minimizer = AdditiveMinimizer(SPACE)
    values, sizes, times = features @ cost, features @ size, features @ time
    for _ in range(5):
        bounds = [float(rng.choice(sizes)), float(rng.choice(times))]
        kept = (sizes <= bounds[0]) & (times <= bounds[1])
        found = minimizer.minimize(cost, [(size, bounds[0]), (time, bounds[1])], [])
        if not kept.any():
            assert found is None
            continue
        assert found is not None
        row = int(np.flatnonzero((EVERYTHING.genes == found).all(axis=1))[0])
        assert kept[row]
        assert values[row] == pytest.approx(values[kept].min())


def test_what_is_known_is_left_out() -> None:
    features = EVERYTHING.one_hot()
    cost = np.random.default_rng(0).random(features.shape[1])
    known: list[np.ndarray] = []
    for value in np.sort(features @ cost)[:5]:
        found = AdditiveMinimizer(SPACE).minimize(cost, [], known)
        assert found is not None
        known.append(found)
        assert float(SPACE.population([found]).one_hot()[0] @ cost) == pytest.approx(value)


def test_policies_of_layers_that_are_not_there_cost_nothing() -> None:
    whole = create_space("mobilenet_v3_digits", 1, 10)
    space = JointSpace(RestrictedSpace(whole, {"resolution": [12]}), PolicySpace.parse(["w32a32", "w8a8"]))
    slope = np.ones(space.sample(np.random.default_rng(0), 1).one_hot().shape[1])
    found = AdditiveMinimizer(space).minimize(slope, [], [])
    assert found is not None
    assert space.population([found]).one_hot().sum() == space.is_active(space.population([found]).genes).sum()
    smallest = space.encode([space.smallest()])
    assert space.population([found]).one_hot().sum() == smallest.one_hot().sum()  # as few active genes as can be


def test_no_candidate_costs_less_than_its_bound() -> None:
    cost = network_cost(SPACE, "macs")
    exact = cost(EVERYTHING.genes).min()
    assert AdditiveMinimizer(SPACE, [cost]).bound_below(0) == pytest.approx(exact)
    derived = DerivedColumn((0, 1), np.arange(4, dtype=np.int32).reshape(2, 2) % 2)
    penalty = Term((len(SPACE.cardinalities),), np.array([5e3, 7e3]))  # is left out of the program
    tabulated = AdditiveCost([*cost.terms, penalty], [derived])
    bound = AdditiveMinimizer(SPACE, [tabulated]).bound_below(0)
    assert exact < bound <= tabulated(EVERYTHING.genes).min() * (1 + 1e-6)
