"""Pareto fronts, ranks and hypervolumes of costs; every cost is minimised."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from results.metric import FloatArray


def non_dominated(costs: ArrayLike) -> NDArray[np.bool_]:
    """Which rows of costs, shape (n, m), are dominated by no other row, as a mask of shape (n,).

    A row dominates another if it is nowhere worse and somewhere better. Equal rows do not dominate one another, so ties
    are all kept.

    Raises:
        ValueError: If the shape is wrong or a cost is not a number.
    """
    table = _check(costs)
    return np.asarray(moocore.is_nondominated(table, keep_weakly=True), dtype=np.bool_)


def pareto_ranks(costs: ArrayLike) -> NDArray[np.int64]:
    """Front of every row of costs, shape (n, m): 0 is not dominated, 1 only by rows of front 0, and so on.

    Raises:
        ValueError: If the shape is wrong or a cost is not a number.
    """
    return np.asarray(moocore.pareto_rank(_check(costs)), dtype=np.int64)


def hypervolume(costs: ArrayLike, reference: ArrayLike) -> float:
    """The volume between the reference point and the front of the costs.

    Rows that are not better than the reference in every cost add nothing.

    Args:
        costs: Shape (n, m).
        reference: The reference point, shape (m,).

    Raises:
        ValueError: If the shapes disagree, a cost is not a number, or the volume would have no bound.
    """
    table = _check(costs)
    corner = np.asarray(reference, dtype=np.float64)
    if corner.shape != table.shape[1:] or not np.isfinite(corner).all():
        raise ValueError(
            f"the reference needs one finite number for each of {table.shape[1]} costs, got {corner.tolist()}"
        )
    if not (table > -np.inf).all():
        raise ValueError("a cost of minus infinity makes every hypervolume infinite; drop such rows first")
    return float(moocore.hypervolume(table, ref=corner))


def _check(costs: ArrayLike) -> FloatArray:
    table = np.asarray(costs, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(f"costs must have shape (n, m) with m of at least 1, got {table.shape}")
    missing = np.isnan(table).any(axis=1)
    if missing.any():
        raise ValueError(f"every cost must be a number, got NaN in row {int(missing.argmax())}; drop such rows first")
    return table
