"""Candidates that stand for a whole joint space when something is fitted to measurements."""

from __future__ import annotations

import numpy as np

from nas.search.protocol.unseen import UnseenCandidates
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population


def representative_sample(space: JointSpace, rng: np.random.Generator, count: int) -> Population:
    """Distinct random candidates, of which about every other one has the same policy in all its layers.

    Policies drawn layer by layer are all mixtures of one kind; fronts also hold networks of one precision.

    Args:
        space: The joint space.
        rng: Source of the candidates.
        count: How many; fewer only when the space has no more.
    """
    genes = space.sample(rng, count).genes
    first_policy = len(space.architectures.choices)
    uniform = rng.integers(0, len(space.uniform_policies), size=count)
    genes[::2, first_policy:] = space.uniform_policies[uniform[::2]]
    unseen = UnseenCandidates(space, rng)
    distinct = unseen.admit(space.population(genes).genes)
    return Population(space, np.concatenate([distinct, unseen.sample(count - len(distinct))]))
