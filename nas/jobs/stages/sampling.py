"""Candidates that stand for a whole joint space when something is fitted to measurements."""

from __future__ import annotations

import numpy as np

from nas.search.protocol.unseen import UnseenCandidates
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population


def representative_sample(space: JointSpace, rng: np.random.Generator, count: int) -> Population:
    """Distinct random candidates, of which about every other one has the same policy in all its layers.

    If the policy of every layer is drawn independently, hardly any candidate has one policy throughout, as some
    candidates of fronts do.

    Args:
        space: The joint space.
        rng: Source of the candidates.
        count: Number of candidates; it is smaller if the space has fewer.
    """
    genes = space.sample(rng, count).genes
    first_policy = len(space.architectures.choices)
    uniform = rng.integers(0, len(space.uniform_policies), size=count)
    genes[::2, first_policy:] = space.uniform_policies[uniform[::2]]
    unseen = UnseenCandidates(space, rng)
    distinct = unseen.admit(space.population(genes).genes)
    return Population(space, np.concatenate([distinct, unseen.sample(count - len(distinct))]))
