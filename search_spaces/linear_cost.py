"""Linear functions of the one-hot code of candidates, as sums of tabulated terms."""

from __future__ import annotations

import numpy as np

from search_spaces.additive_cost import AdditiveCost, FloatArray
from search_spaces.joint_space import JointSpace
from search_spaces.tabulated_slot import gene_term


def linear_cost(space: JointSpace, weights: FloatArray) -> AdditiveCost:
    """Sums the weights of a candidate's genes: `population.one_hot() @ weights`, without the matrix.

    Args:
        space: Where the candidates come from.
        weights: One per value of every gene, shape (sum of cardinalities,).

    Raises:
        ValueError: If there are more or fewer.
    """
    values = space.cardinalities.sum()
    if weights.shape != (values,):
        raise ValueError(f"the genes of {space.name!r} have {values} values, got {weights.shape} weights")
    of_gene = np.split(weights, np.cumsum(space.cardinalities)[:-1])
    border = len(space.architectures.choices)
    terms = [gene_term(space.architectures, number, of_gene[number]) for number in range(border)]
    for number, slot in enumerate(space.slots, start=border):
        terms.append(slot.policy_term(number, of_gene[number]))
    return AdditiveCost(terms)
