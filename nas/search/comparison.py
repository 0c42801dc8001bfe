"""A comparison of searchers: the hypervolume that each has found after so many evaluations.

Independent of where the values come from: tables, predictors or measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray, NothingFeasible, compute_costs, compute_violations
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import check_objectives, read_options
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.pareto import hypervolume


@dataclass(frozen=True)
class Comparison:
    """What searchers are compared on.

    Attributes:
        problem: The problem; every searcher evaluates all its objectives alike.
        reference: The worst value of interest of every objective but the constraints, in natural units.
        budgets: Numbers of evaluations after which the hypervolume is taken, rising.

    Raises:
        ValueError: If the budgets do not rise, or there are not as many references as objectives.
    """

    problem: SearchProblem
    reference: tuple[float, ...]
    budgets: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.budgets or self.budgets[0] < 1 or list(self.budgets) != sorted(set(self.budgets)):
            raise ValueError(f"budgets must be one or more rising numbers from 1, got {list(self.budgets)}")
        if len(self.reference) != len(self.problem.minimized):
            raise ValueError(f"a reference needs {len(self.problem.minimized)} values, got {list(self.reference)}")

    def measure_curve(self, name: str, seed: int, database_url: str = "sqlite://") -> FloatArray:
        """Lets one searcher search, and takes the hypervolume of its feasible candidates after each budget.

        A database that outlives the process, of this very comparison alone, keeps the evaluations: a search that was
        stopped goes on where it was.

        Args:
            name: The searcher; see `nas.search.registry`.
            seed: Of everything random.
            database_url: Where evaluations are kept; by default, in memory.

        Returns:
            Shape (len(budgets),); 0 where nothing was feasible.

        Raises:
            ValueError: If the searcher cannot search the problem.
        """
        check_objectives(name, len(self.problem.minimized))
        record = RunRecord(f"{name}/{seed}", {}, seed)
        plan = SearchPlan(self.problem, read_options(name, {}), record, self.budgets[-1])
        with ResultsDatabase(database_url) as database:
            try:
                found = run_search(plan, database)
            except NothingFeasible:
                return np.zeros(len(self.budgets))
        return np.array([self.measure_volume(found.values[:budget]) for budget in self.budgets])

    def measure_volume(self, values: FloatArray) -> float:
        """Hypervolume of values in natural units, shape (n, m), as far as they keep the limits."""
        columns = self.problem.minimized
        kept = values[compute_violations(self.problem.objectives, values) == 0][:, columns]
        objectives = [self.problem.objectives[column] for column in columns]
        corner = compute_costs(objectives, np.array([self.reference]))[0]
        return hypervolume(compute_costs(objectives, kept), corner) if len(kept) else 0.0


def estimate_interval95(samples: Sequence[float]) -> tuple[float, float]:
    """Mean of samples and half the width of its 95 % confidence interval (Student's t); NaN for one sample."""
    from scipy.stats import t

    values = np.asarray(samples)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
