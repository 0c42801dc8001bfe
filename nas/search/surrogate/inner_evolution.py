"""An evolutionary search on a model's predictions: thousands of candidates in a fraction of a second, none measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.ranking import rank_candidates
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import Genes

_PARENTS, _CHILDREN = 200, 1000  # per generation; a model predicts a thousand rows at once as fast as ten
_MUTATED_GENES = 2.0  # expected number of active genes that mutate in a child

Acquisition = Callable[[Population], tuple[FloatArray, FloatArray]]  # costs (n, m) and violations (n,), both predicted


def evolve(
    space: JointSpace, acquisition: Acquisition, start: Genes, rng: np.random.Generator, evaluations: int
) -> Genes:
    """Evolves candidates by uniform crossover and random-reset mutation; the best fronts so far are the parents.

    Args:
        space: The joint space.
        acquisition: Predicts costs to be minimised, and violations.
        start: Canonical genes of the first parents, shape (n, d); random ones are added.
        rng: Source of all random choices.
        evaluations: Number of predictions after which it ends.

    Returns:
        Distinct canonical genes of all candidates, shape (k, d), the best by prediction first.
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
        predicted += _CHILDREN  # known children count, too, or it would never end in a small space
        if len(fresh):
            more = acquisition(Population(space, fresh))
            pool = Population(space, np.concatenate([pool.genes, fresh]))
            costs, violations = np.concatenate([costs, more[0]]), np.concatenate([violations, more[1]])


def find_promising(unseen: UnseenCandidates, acquisition: Acquisition, start: Genes, evaluations: int) -> Genes:
    """Unseen candidates to choose from: all of a small space, else all that `evolve` generates.

    Args:
        unseen: Knows which candidates were seen; its random source is used.
        acquisition: Predicts costs to be minimised, and violations.
        start: Canonical genes, shape (n, d), the best first.
        evaluations: Number of candidates whose costs are predicted; a space of as many or fewer is small.

    Returns:
        Distinct canonical genes, shape (k, d): best first, or in no special order if the space is small.
    """
    space = unseen.space
    if space.cardinalities.prod(dtype=float) <= evaluations:
        everything = np.indices(tuple(space.cardinalities)).reshape(len(space.cardinalities), -1).T
        pool = space.population(everything).unique().genes
    else:
        pool = evolve(space, acquisition, start[: evaluations // 100], unseen.rng, evaluations)
    return pool[unseen.are_unseen(pool)]


def _breed(space: JointSpace, parents: Genes, rng: np.random.Generator) -> Genes:
    """Canonical genes of children, shape (children, d), some of which may be known already."""
    pairs = rng.integers(0, len(parents), (2, _CHILDREN))
    crossed = np.where(rng.random((_CHILDREN, parents.shape[1])) < 0.5, parents[pairs[0]], parents[pairs[1]])
    rate = _MUTATED_GENES / np.maximum(space.is_active(crossed).sum(1, keepdims=True), 1)
    fresh = rng.integers(0, space.cardinalities, size=crossed.shape)
    return space.population(np.where(rng.random(crossed.shape) < rate, fresh, crossed)).genes
