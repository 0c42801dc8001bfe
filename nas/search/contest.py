"""Searchers head to head: the hypervolume that each has found after so many evaluations.

In: names of searchers, a problem, seeds and budgets. Out: hypervolumes. Knows no table and no supernet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray, costs, violations
from nas.search.loop import NothingFeasible, run_search
from nas.search.problem import SearchProblem
from nas.search.registry import searcher
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.pareto import hypervolume


@dataclass(frozen=True)
class Contest:
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

    def curve(self, name: str, seed: int, database_url: str = "sqlite://") -> FloatArray:
        """Hypervolume of the feasible candidates after each budget, shape (len(budgets),), by one searcher.

        A database that outlives the process, of this very contest alone, keeps the evaluations: a contest that was
        stopped goes on where it was.
        """
        objectives = self.problem.objectives
        made = searcher(name, self.problem.space, objectives, seed, self.problem.leaves)
        record = RunRecord(f"{name}/{seed}", {}, seed)
        with ResultsDatabase(database_url) as database:
            with suppress(NothingFeasible):  # a volume of 0 says so
                run_search(made, objectives, database, self.budgets[-1], record=record)
            stored = database.evaluations(record.run)
        values = np.array([[entry.values[o.metric.name] for o in objectives] for entry in stored])
        return np.array([self.volume(values[:budget]) for budget in self.budgets])

    def volume(self, values: FloatArray) -> float:
        """Hypervolume of values, shape (n, m), in natural units, as far as they keep the limits."""
        columns = self.problem.minimized
        kept = values[violations(self.problem.objectives, values) == 0][:, columns]
        objectives = [self.problem.objectives[column] for column in columns]
        corner = costs(objectives, np.array([self.reference]))[0]
        return hypervolume(costs(objectives, kept), corner) if len(kept) else 0.0


def interval95(samples: Sequence[float]) -> tuple[float, float]:
    """Mean of samples and half the width of its 95 % confidence interval (Student's t); NaN for one sample."""
    from scipy.stats import t

    values = np.asarray(samples)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
