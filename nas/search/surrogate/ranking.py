"""Ranks of candidates by fronts, and the choice among candidates of one front. Sees costs and violations only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.objectives import FloatArray
from results.pareto import pareto_ranks

_INFEASIBLE_RANK = 1e6  # rank of infeasible candidates, before their violation is added: larger than any front's


def rank_candidates(costs: FloatArray, violations: FloatArray) -> FloatArray:
    """Ranks candidates: feasible ones by their front, then infeasible ones by their violation.

    Args:
        costs: To be minimised, shape (n, m).
        violations: Shape (n,); 0 where all limits are kept.

    Returns:
        Ranks of shape (n,); 0 is the best front.
    """
    result = _INFEASIBLE_RANK + violations
    kept = violations == 0
    if kept.any():
        result[kept] = pareto_ranks(costs[kept])
    return result


def choose_first_fronts(n: int, costs: FloatArray, violations: FloatArray) -> NDArray[np.int64]:
    """Chooses the best `n` rows, front by front; of the last front, its best in each cost and those that fill gaps.

    Args:
        n: Number of rows to choose, at most as many as there are.
        costs: To be minimised, shape (rows, m).
        violations: Shape (rows,); 0 where all limits are kept.

    Returns:
        Indices of rows, shape (n,).
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
    """Indices of `n` rows: the best in each cost, then, one by one, the row farthest from all that are taken."""
    extent = np.ptp(costs, axis=0)
    scaled = costs / np.where(extent > 0, extent, 1.0)
    taken = list(dict.fromkeys(scaled.argmin(axis=0).tolist()))[:n]
    distance = np.min([((scaled - scaled[row]) ** 2).sum(axis=1) for row in taken], axis=0)
    while len(taken) < n:
        distance[taken] = -1.0
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, ((scaled - scaled[taken[-1]]) ** 2).sum(axis=1))
    return taken
