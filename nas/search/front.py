"""The front of evaluated candidates: those that no other beats in the objectives, and the role of each.

Independent of which objectives these are and of the source of their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.objectives import (
    FloatArray,
    NothingFeasible,
    Objective,
    clip_to_constraints,
    compute_costs,
    compute_violations,
    infeasibility_message,
)
from results.pareto import non_dominated
from search_spaces.population import Population


@dataclass(frozen=True)
class Front:
    """The k candidates that keep all limits and that no other one beats, sorted by the first objective, best first.

    Attributes:
        population: The candidates.
        objectives: The m objectives, in the order of the columns of values.
        values: Values of shape (k, m), in the unit of each objective's metric.
    """

    population: Population
    objectives: tuple[Objective, ...]
    values: FloatArray

    def __len__(self) -> int:
        return len(self.population)

    def column(self, name: str) -> FloatArray:
        """Values of the metric of that name, shape (k,)."""
        return self.values[:, [one.metric.name for one in self.objectives].index(name)]

    def choose_roles(self, count: int) -> dict[str, int]:
        """Up to `count` distinct candidates by their role: the best in each objective, the balanced one, and others.

        The roles are named after the objectives: "best accuracy" if more is better, "lowest latency_ms" if less is. The
        balanced candidate is the one nearest to the ideal point, with each objective scaled to its range on the front.
        Constraints have no role. If there is room for more, the roles "front 0", "front 1" and so on follow, by row.

        Args:
            count: Largest number of candidates.

        Returns:
            Role to row of the front.
        """
        traded = [column for column, one in enumerate(self.objectives) if not one.constraint]
        axes = compute_costs(self.objectives, self.values)[:, traded]
        scaled = (axes - axes.min(0)) / np.maximum(np.ptp(axes, axis=0), 1e-12)  # an axis of one value counts nothing
        ends = {_name_best(self.objectives[column]): axes[:, at].argmin() for at, column in enumerate(traded)}
        first, *others = ends.items()
        wanted = dict([first, ("balanced", np.linalg.norm(scaled, axis=1).argmin()), *others])
        wanted |= {f"front {number}": row for number, row in enumerate(range(len(self)))}
        distinct: dict[str, int] = {}
        for role, row in wanted.items():
            if int(row) not in distinct.values() and len(distinct) < count:
                distinct[role] = int(row)
        return distinct


def find_front(
    population: Population, objectives: Sequence[Objective], values: FloatArray, most: int | None = None
) -> tuple[Front, NDArray[np.int64]]:
    """Finds the front of candidates within all limits.

    A front of more than `most` candidates is thinned: it keeps the best candidate of each objective, and evenly spaced
    ones of the others in the order by the first objective. With three objectives, the best of one may lie anywhere in
    that order.

    Args:
        population: The candidates, n of them.
        objectives: The m objectives.
        values: Values in natural units, shape (n, m).
        most: Largest number of candidates that are kept; None keeps all.

    Returns:
        The front, and the row of each of its candidates in the population, shape (k,).

    Raises:
        NothingFeasible: If no candidate keeps all limits; the message says how close the closest one comes.
    """
    rows = _find_feasible_front(objectives, values)
    if most is not None:
        rows = _thin(clip_to_constraints(objectives, compute_costs(objectives, values))[rows], rows, most)
    return Front(population.take(rows), tuple(objectives), values[rows]), rows


def _name_best(objective: Objective) -> str:
    metric = objective.metric
    return f"{'best' if metric.maximize else 'lowest'} {metric.name}"


def _find_feasible_front(objectives: Sequence[Objective], values: FloatArray) -> NDArray[np.int64]:
    feasible = np.flatnonzero(compute_violations(objectives, values) == 0)
    if not len(feasible):
        raise NothingFeasible(infeasibility_message(objectives, values))
    found = clip_to_constraints(objectives, compute_costs(objectives, values))
    front = feasible[non_dominated(found[feasible])]
    return front[np.lexsort(found[front].T[::-1])]


def _thin(found: FloatArray, rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Up to `most` of the rows, whose costs are `found`: the best in each cost, and evenly spaced others."""
    ends = list(dict.fromkeys(found.argmin(axis=0).tolist()))[:most]
    others = np.setdiff1d(np.arange(len(rows)), ends)
    spaced = np.linspace(0, len(others) - 1, min(most - len(ends), len(others))).round().astype(int)
    return rows[np.sort(np.concatenate([np.array(ends, dtype=np.int64), others[spaced]]))]
