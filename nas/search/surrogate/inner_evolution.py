"""An evolution on a model alone: many thousands of candidates in a fraction of a second, and no measurement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.ranking import rank_candidates
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import Genes

_PARENTS, _CHILDREN = 200, 1000  # of a generation: a model predicts a thousand rows at once as fast as ten
_MUTATED_GENES = 2.0  # of a child, on average

Acquisition = Callable[[Population], tuple[FloatArray, FloatArray]]  # costs (n, m) and violations (n,), both predicted


def evolve(
    space: JointSpace, acquisition: Acquisition, start: Genes, rng: np.random.Generator, evaluations: int
) -> Genes:
    """Uniform crossover and random-reset mutation, of parents by non-dominated fronts.

    Args:
        space: The joint space.
        acquisition: Costs to be minimised, and violations.
        start: Canonical genes of the first parents, shape (n, d); random ones are added.
        rng: Source of everything random.
        evaluations: How often a candidate is predicted.

    Returns:
        Distinct canonical genes, shape (k, d), those predicted to be best first.
    """
    unseen = UnseenCandidates(space, rng)
    pool = Population(space, unseen.admit(np.concatenate([start, space.sample(rng, _CHILDREN).genes])))
    costs, violations = acquisition(pool)
    predicted = len(pool)
    while True:
        order = np.argsort(rank_candidates(costs, violations), kind="stable")
        if predicted >= evaluations:
            return pool.genes[order]
        fresh = unseen.admit(_breed(space, pool.genes[order[:_PARENTS]], rng))
        predicted += _CHILDREN  # children that are known count, too, or a small space would never end it
        if len(fresh):
            more = acquisition(Population(space, fresh))
            pool = Population(space, np.concatenate([pool.genes, fresh]))
            costs, violations = np.concatenate([costs, more[0]]), np.concatenate([violations, more[1]])


def find_promising(unseen: UnseenCandidates, acquisition: Acquisition, start: Genes, evaluations: int) -> Genes:
    """Unseen candidates to choose from: all of a small space, else those that an evolution on a model came across.

    Args:
        unseen: Tells which candidates are new, and draws what is random.
        acquisition: Costs to be minimised, and violations.
        start: Canonical genes, shape (n, d), the best first.
        evaluations: How many candidates are predicted.

    Returns:
        Distinct canonical genes, shape (k, d); in no order if the space is small.
    """
    space = unseen.space
    if space.cardinalities.prod(dtype=float) <= evaluations:
        everything = np.indices(tuple(space.cardinalities)).reshape(len(space.cardinalities), -1).T
        pool = space.population(everything).unique().genes
    else:
        pool = evolve(space, acquisition, start[: evaluations // 100], unseen.rng, evaluations)
    return pool[unseen.are_unseen(pool)]


def _breed(space: JointSpace, parents: Genes, rng: np.random.Generator) -> Genes:
    """Canonical genes of children, some of which may be known, shape (children, d)."""
    pairs = rng.integers(0, len(parents), (2, _CHILDREN))
    crossed = np.where(rng.random((_CHILDREN, parents.shape[1])) < 0.5, parents[pairs[0]], parents[pairs[1]])
    rate = _MUTATED_GENES / np.maximum(space.is_active(crossed).sum(1, keepdims=True), 1)
    fresh = rng.integers(0, space.cardinalities, size=crossed.shape)
    return space.population(np.where(rng.random(crossed.shape) < rate, fresh, crossed)).genes
