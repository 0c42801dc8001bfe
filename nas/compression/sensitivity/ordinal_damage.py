"""Damage from an order of layers alone: which layers are to lose their bits first."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import FULL_PRECISION_BITS


def rank_damage(subject: CompressionSubject, importance: FloatArray) -> tuple[FloatArray, ...]:
    """The rank of a layer times the bits that a policy takes from its weights; values of other layers say no more.

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
    for rank, weight, known in zip(rankdata(importance), subject.weights, subject.choices, strict=True):
        bits = np.array([policy.weight_bits for policy in known], dtype=np.float64)
        found.append(float(rank) * weight.numel() * (FULL_PRECISION_BITS - bits))
    return tuple(found)
