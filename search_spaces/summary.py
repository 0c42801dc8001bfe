"""How large candidates are and how they are compressed, in a few numbers.

One-hot codes of dozens of genes hide from a predictor that accuracy follows sizes first: of two candidates that differ
in every gene, the code does not say which is the larger. Independent of any family and any predictor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search_spaces.joint_space import Population


def size_features(population: Population) -> NDArray[np.float64]:
    """Mean level and number of the active genes of every ordered dimension, and the share of layers of every policy.

    A level is the index of a gene's value, scaled to 0 (smallest) to 1 (largest). The columns are weighted so that the
    span of each is as far, in squared distance, as half of the genes differing in their one-hot code: predictors of
    distances then heed both. On 1,697 published subnets of Once-for-All (top-1, ensemble of Gaussian processes), these
    columns raise Kendall's tau from 0.874 to 0.898 with 30 labels and from 0.946 to 0.948 with 200.

    Args:
        population: The candidates, n of them.

    Returns:
        Shape (n, f); f is 0 where no gene is ordered and there are no two policies.
    """
    space, genes = population.space, population.genes
    active = space.active(genes)
    levels = genes / np.maximum(space.cardinalities - 1, 1)
    columns = []
    for dimension in dict.fromkeys(gene.dimension for gene in space.genes if gene.is_ordered):
        members = np.array([gene.is_ordered and gene.dimension == dimension for gene in space.genes])
        count = active[:, members].sum(axis=1)
        columns.append((levels * active)[:, members].sum(axis=1) / np.maximum(count, 1))
        columns.append(count / members.sum())
    present, chosen = active[:, -len(space.slots) :], genes[:, -len(space.slots) :]
    layers = np.maximum(present.sum(axis=1), 1)
    for policy in space.policies.known if space.slots else ():
        gene = np.array([known.index(policy) if policy in known else -1 for known in space.slot_policies])
        columns.append((present & (chosen == gene)).sum(axis=1) / layers)
    table = np.column_stack(columns) if columns else np.empty((len(genes), 0))
    return np.sqrt(len(space.genes)) * table
