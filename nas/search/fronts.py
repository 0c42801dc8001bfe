"""Fronts of candidates: which are better, and which of equally good ones to take.

In: costs and violations. Out: ranks, and rows. Knows no candidate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.objectives import FloatArray
from results.pareto import pareto_ranks

_INFEASIBLE_RANK = 1e6


def ranks(costs: FloatArray, violations: FloatArray) -> FloatArray:
    """Front of every row: those that keep the limits first, then the others by how much they miss them."""
    result = _INFEASIBLE_RANK + violations
    kept = violations == 0
    if kept.any():
        result[kept] = pareto_ranks(costs[kept])
    return result


def first_fronts(
    n: int, costs: FloatArray, violations: FloatArray, present: FloatArray | None = None
) -> NDArray[np.int64]:
    """Rows of the best `n`: front after front; of the last that is needed, its ends and what fills the largest gaps.

    Args:
        n: How many, at most as many as there are rows.
        costs: To be minimised, shape (rows, m).
        violations: Shape (rows,); 0 where all limits are kept.
        present: Costs of what is there already and leaves the gaps, shape (k, m); None is nothing.
    """
    order = ranks(costs, violations)
    there = np.empty((0, costs.shape[1])) if present is None else present
    chosen: list[int] = []
    for rank in np.unique(order):
        front = np.flatnonzero(order == rank)
        room = n - len(chosen)
        if len(front) > room:
            front = front[_far_apart(costs[front], room, np.concatenate([there, costs[chosen]]))]
        chosen += front.tolist()
        if len(chosen) == n:
            break
    return np.array(chosen, dtype=np.int64)


def _far_apart(costs: FloatArray, n: int, present: FloatArray) -> list[int]:
    """`n` rows: the best of each cost, then always the one that is furthest from those taken and those present."""
    extent = np.ptp(np.concatenate([costs, present]), axis=0)
    extent[extent == 0] = 1.0
    scaled = costs / extent
    taken = list(dict.fromkeys(scaled.argmin(axis=0).tolist()))[:n]
    there = np.concatenate([present / extent, scaled[taken]])
    distance = np.min([((scaled - point) ** 2).sum(axis=1) for point in there], axis=0)
    while len(taken) < n:
        distance[taken] = -1.0
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, ((scaled - scaled[taken[-1]]) ** 2).sum(axis=1))
    return taken
