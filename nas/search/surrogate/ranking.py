"""Fronts of candidates: which are better, and which of equally good ones to take. Sees costs and violations only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.objectives import FloatArray
from results.pareto import pareto_ranks

_INFEASIBLE_RANK = 1e6  # beyond any number of fronts


def rank_candidates(costs: FloatArray, violations: FloatArray) -> FloatArray:
    """Rank of every candidate: the front of those that keep the limits, then the others by how much they miss them.

    Args:
        costs: To be minimised, shape (n, m).
        violations: Shape (n,); 0 where all limits are kept.

    Returns:
        Shape (n,); 0 is the best front.
    """
    result = _INFEASIBLE_RANK + violations
    kept = violations == 0
    if kept.any():
        result[kept] = pareto_ranks(costs[kept])
    return result


def choose_first_fronts(n: int, costs: FloatArray, violations: FloatArray) -> NDArray[np.int64]:
    """Chooses the best `n` rows: front after front; of the last front, its ends and what fills the largest gaps.

    Args:
        n: How many, at most as many as there are rows.
        costs: To be minimised, shape (rows, m).
        violations: Shape (rows,); 0 where all limits are kept.

    Returns:
        Row numbers, shape (n,).
    """
    order = rank_candidates(costs, violations)
    chosen: list[int] = []
    for rank in np.unique(order):
        front = np.flatnonzero(order == rank)
        room = n - len(chosen)
        chosen += (front if len(front) <= room else front[_far_apart(costs[front], room)]).tolist()
        if len(chosen) == n:
            break
    return np.array(chosen, dtype=np.int64)


def _far_apart(costs: FloatArray, n: int) -> list[int]:
    """`n` rows: the best of each cost, then always the one that is furthest from those taken."""
    extent = np.ptp(costs, axis=0)
    scaled = costs / np.where(extent > 0, extent, 1.0)
    taken = list(dict.fromkeys(scaled.argmin(axis=0).tolist()))[:n]
    distance = np.min([((scaled - scaled[row]) ** 2).sum(axis=1) for row in taken], axis=0)
    while len(taken) < n:
        distance[taken] = -1.0
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, ((scaled - scaled[taken[-1]]) ** 2).sum(axis=1))
    return taken
