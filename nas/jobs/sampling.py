"""Candidates that stand for a whole joint space when something is fitted to measurements.

In: a joint space. Out: a population. Knows no metric.
"""

from __future__ import annotations

import numpy as np

from search_spaces.joint_space import JointSpace, Population


def representative_sample(space: JointSpace, rng: np.random.Generator, count: int) -> Population:
    """Random candidates, of which every other one has the same policy in all its layers.

    Policies drawn layer by layer are all mixtures of one kind; fronts also hold networks of one precision.
    """
    genes = space.sample(rng, count).genes
    first_policy = len(space.architectures.choices)
    uniform = rng.integers(0, len(space.policies.policies), size=(count, 1))
    genes[::2, first_policy:] = uniform[::2]
    return space.population(genes)
