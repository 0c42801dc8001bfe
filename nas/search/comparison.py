"""A comparison of searchers: the hypervolume of what each has found, by the number of evaluations.

Independent of where the values come from: tables, predictors or measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.objectives import (
    FloatArray,
    NothingFeasible,
    Objective,
    compute_costs,
    compute_violations,
    infeasibility_message,
)
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import check_objectives, read_options
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.pareto import hypervolume


@dataclass(frozen=True)
class Comparison:
    """The problem on which searchers are compared, and how.

    Attributes:
        problem: The problem, the same for every searcher.
        reference: The worst value of interest of each objective except constraints, in natural units.
        budgets: Numbers of evaluations after which the hypervolume is computed, in rising order.

    Raises:
        ValueError: If the budgets do not rise from 1 or more, or `reference` does not have one finite value for each
            objective that is no constraint.
    """

    problem: SearchProblem
    reference: tuple[float, ...]
    budgets: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.budgets or not self.budgets[0] >= 1 or list(self.budgets) != sorted(set(self.budgets)):
            raise ValueError(f"budgets must be one or more rising numbers from 1, got {list(self.budgets)}")
        if len(self.reference) != len(self.problem.minimized) or not np.isfinite(self.reference).all():
            raise ValueError(
                f"a reference needs {len(self.problem.minimized)} finite values, got {list(self.reference)}"
            )

    def measure_curve(
        self, name: str, seed: int, database_url: str = "sqlite://", options: Mapping[str, object] | None = None
    ) -> FloatArray:
        """Runs one searcher, and computes the hypervolume of its feasible candidates after each budget.

        With a database on disk, an interrupted search can be continued. Such a database must be used for this
        comparison only: its runs are named by searcher and seed alone.

        Args:
            name: Name of the searcher; see `nas.search.registry`.
            seed: Seed of the searcher.
            database_url: URL of the database that stores the evaluations; by default, one in memory.
            options: Options of the searcher, by name; by default none.

        Returns:
            Hypervolumes of shape (len(budgets),); 0 where no candidate was feasible.

        Raises:
            ValueError: If the name is unknown, or the searcher cannot search the problem.
        """
        check_objectives(name, len(self.problem.minimized))
        record = RunRecord(f"{name}/{seed}", {}, seed)
        plan = SearchPlan(self.problem, read_options(name, options or {}), record, self.budgets[-1])
        with ResultsDatabase(database_url) as database:
            try:
                found = run_search(plan, database)
            except NothingFeasible:
                return np.zeros(len(self.budgets))
        return np.array([self.measure_volume(found.values[:budget]) for budget in self.budgets])

    def measure_volume(self, values: FloatArray) -> float:
        """Hypervolume of those rows of values, in natural units, shape (n, m), that keep all limits."""
        costs, corner = self._compute_kept(values), self._corner
        return hypervolume(costs, corner) if len(costs) else 0.0

    def check_reference(self, values: FloatArray) -> None:
        """Refuses a reference point that nothing beats: every volume would be 0.

        Args:
            values: Values of all candidates that there are, or of what none can be better than, in natural units, shape
                (n, m).

        Raises:
            ValueError: If no row keeps the limits, or none that does is better than the reference in every objective.
        """
        costs = self._compute_kept(values)
        if not len(costs):
            raise ValueError(infeasibility_message(self.problem.objectives, values))
        if not (costs < self._corner).all(axis=1).any():
            pairs = zip(self._judged, costs.min(axis=0), strict=True)
            best = [float(one.metric.costs(np.array([cost]))[0]) for one, cost in pairs]  # the sign flips back
            reference, values_best = self._describe(self.reference), self._describe(best)
            raise ValueError(
                f"no network is better than the reference in every objective, so all volumes are 0: reference "
                f"{reference}, best values {values_best}; name the worst value of interest of each"
            )

    def _describe(self, values: Sequence[float]) -> str:
        """Values of the objectives with their names."""
        return ", ".join(f"{one.metric.name} {value:.6g}" for one, value in zip(self._judged, values, strict=True))

    def _compute_kept(self, values: FloatArray) -> FloatArray:
        """Costs, of objectives that are no constraints, of those rows of values that keep all limits."""
        kept = values[compute_violations(self.problem.objectives, values) == 0][:, self.problem.minimized]
        return compute_costs(self._judged, kept)

    @property
    def _judged(self) -> list[Objective]:
        """The objectives that are no constraints."""
        return [self.problem.objectives[column] for column in self.problem.minimized]

    @property
    def _corner(self) -> FloatArray:
        """The reference as costs, shape (m,)."""
        return compute_costs(self._judged, np.array([self.reference]))[0]


def estimate_interval95(samples: Sequence[float]) -> tuple[float, float]:
    """Mean of samples and half the width of its 95 % confidence interval (Student's t); NaN for one sample."""
    from scipy.stats import t

    values = np.asarray(samples)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
