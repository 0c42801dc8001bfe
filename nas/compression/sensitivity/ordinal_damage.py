"""Damage from an order of layers alone: which layers are to lose their bits first."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.low_rank import CORRECTION_BITS, factorize_operator
from search_spaces.operators.operator import Operator
from search_spaces.sparsity import count_stored_bits


def rank_damage(subject: CompressionSubject, importance: FloatArray) -> tuple[FloatArray, ...]:
    """The rank of a layer times the bits that a policy takes from its weights; values of other layers say no more.

    Zeros and low rank take the bits that are not stored (`search_spaces.sparsity.count_stored_bits`); a correction
    gives back its own.

    A bit that is saved does the damage of the rank, from 1 for the least important layer. So the allocator `greedy`
    lowers layers in their order under a budget of weight bits, and any mean of bits can be met. An exact allocator
    keeps to the order but for what fills the budget.

    Args:
        subject: What is compressed.
        importance: Importance of each layer, shape (layers,); equal ones share their mean rank.

    Returns:
        For each layer the damage of its policies, each of shape (policies,).
    """
    found = []
    for rank, layer, known in zip(rankdata(importance), subject.traced.graph.layers, subject.choices, strict=True):
        bits = np.array([_count_bits(layer.operator, policy) for policy in known], dtype=np.float64)
        found.append(float(rank) * (layer.operator.weights * FULL_PRECISION_BITS - bits))
    return tuple(found)


def _count_bits(operator: Operator, policy: LayerPolicy) -> int:
    """Bits that the weights of a layer take under a policy."""
    operators = (operator,) if policy.low_rank is None else factorize_operator(operator, policy.low_rank)
    added = () if policy.correction is None else factorize_operator(operator, policy.correction)
    stored = sum(count_stored_bits(part.weights, policy.weight_bits, policy.sparsity) for part in operators)
    return stored + sum(part.weights for part in added) * CORRECTION_BITS
