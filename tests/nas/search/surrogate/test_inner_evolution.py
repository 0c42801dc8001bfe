"""A search on a model finds what is best by it, at the cost of no measurement."""

from __future__ import annotations

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.inner_evolution import evolve, find_promising
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space

LARGE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
SMALL = JointSpace(create_space("resnet_digits", 1, 10))
NONE = np.empty((0, len(LARGE.cardinalities)), dtype=np.int16)


def genes_left(population: Population) -> tuple[FloatArray, FloatArray]:
    """One cost: how many genes are not at their largest value."""
    left = (population.genes < population.space.cardinalities - 1) & population.space.is_active(population.genes)
    return left.sum(axis=1, dtype=float)[:, None], np.zeros(len(population))


def test_the_best_of_thousands_comes_first() -> None:
    found = evolve(LARGE, genes_left, NONE, np.random.default_rng(0), 6000)
    costs = genes_left(Population(LARGE, found))[0][:, 0]
    sampled = genes_left(LARGE.sample(np.random.default_rng(1), 6000))[0][:, 0]
    assert costs[0] < sampled.min()
    assert (np.diff(costs) >= 0).all()
    assert len(np.unique(found, axis=0)) == len(found) <= 6000 + 1000


def test_of_a_small_space_everything_unseen_is_promising() -> None:
    unseen = UnseenCandidates(SMALL, np.random.default_rng(0))
    seen = unseen.sample(100)
    found = find_promising(unseen, genes_left, NONE, 20_000)
    assert len(found) == 188
    assert len(np.unique(np.concatenate([seen, found]), axis=0)) == 288
