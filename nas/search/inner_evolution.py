"""An evolution on beliefs alone: many thousands of candidates in a fraction of a second.

In: optimistic costs of any candidates, and good ones to start from. Out: the genes of all that it looked at. Knows no
measurement.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nas.objectives import FloatArray
from nas.search.fronts import ranks
from nas.search.searcher import UnseenCandidates
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import Genes

_PARENTS, _CHILDREN = 200, 1000
_MUTATED_GENES = 2.0  # of a child, on average

Believe = Callable[[Population], tuple[FloatArray, FloatArray]]  # costs (n, m) and violations (n,)


def evolve(space: JointSpace, believe: Believe, start: Genes, rng: np.random.Generator, evaluations: int) -> Genes:
    """Uniform crossover and random-reset mutation, of parents by non-dominated fronts.

    Args:
        space: The joint space.
        believe: Costs to be minimised, and violations.
        start: Canonical genes of the first parents, shape (n, d); random ones are added.
        rng: Source of everything random.
        evaluations: How often a candidate is looked at.

    Returns:
        Distinct canonical genes, shape (k, d), the believed best first.
    """
    unseen = UnseenCandidates(space, rng)
    pool = Population(space, unseen.admit(np.concatenate([start, space.sample(rng, _CHILDREN).genes])))
    costs, violations = believe(pool)
    looked_at = len(pool)
    while True:
        order = np.argsort(ranks(costs, violations), kind="stable")
        if looked_at >= evaluations:
            return pool.genes[order]
        fresh = unseen.admit(_children(space, pool.genes[order[:_PARENTS]], rng))
        looked_at += _CHILDREN
        if len(fresh):
            more = believe(Population(space, fresh))
            pool = Population(space, np.concatenate([pool.genes, fresh]))
            costs, violations = np.concatenate([costs, more[0]]), np.concatenate([violations, more[1]])


def candidates_of(
    space: JointSpace,
    believe: Believe,
    start: Genes,
    rng: np.random.Generator,
    evaluations: int,
    unseen: UnseenCandidates,
) -> Genes:
    """Unseen candidates to choose from: all of a small space, else those that an evolution on beliefs looked at.

    Args:
        space: The joint space.
        believe: Costs to be minimised, and violations.
        start: Canonical genes, shape (n, d), the best first.
        rng: Source of everything random.
        evaluations: How many are looked at.
        unseen: Tells them.
    """
    if space.cardinalities.prod(dtype=float) <= evaluations:
        everything = np.indices(tuple(space.cardinalities)).reshape(len(space.cardinalities), -1).T
        pool = space.population(everything).unique().genes
    else:
        pool = evolve(space, believe, start[: evaluations // 100], rng, evaluations)
    return pool[unseen.among(pool)]


def _children(space: JointSpace, parents: Genes, rng: np.random.Generator) -> Genes:
    """Canonical genes of children, some of which may be known."""
    pairs = rng.integers(0, len(parents), (2, _CHILDREN))
    crossed = np.where(rng.random((_CHILDREN, parents.shape[1])) < 0.5, parents[pairs[0]], parents[pairs[1]])
    rate = _MUTATED_GENES / np.maximum(space.is_active(crossed).sum(1, keepdims=True), 1)
    fresh = rng.integers(0, space.cardinalities, size=crossed.shape)
    return space.population(np.where(rng.random(crossed.shape) < rate, fresh, crossed)).genes
