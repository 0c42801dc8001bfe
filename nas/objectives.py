"""Objectives: a metric, how it is evaluated, and the limit it must keep.

In: populations. Out: values in natural units, costs and violations. Knows no searcher and no database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from results.metric import Metric
from search_spaces.additive_cost import AdditiveCost
from search_spaces.candidate import Candidate
from search_spaces.population import Population

FloatArray = NDArray[np.float64]
Evaluator = Callable[
    [Population], FloatArray
]  # (n,) values in the metric's unit: a table, a predictor, a pool of workers


@runtime_checkable
class ConcurrentEvaluator(Protocol):
    """An evaluator that measures candidates one by one, several at the same time."""

    def __call__(self, population: Population) -> FloatArray:
        """Values of shape (n,), in the order of the population."""

    def submit(self, candidate: Candidate) -> Future[float]:
        """Begins to measure a candidate."""


@dataclass(frozen=True)
class AdditiveEvaluator:
    """An evaluator that looks up a sum of tabulated terms, which searchers may read.

    Attributes:
        cost: The sum, in the metric's unit.
    """

    cost: AdditiveCost

    def __call__(self, population: Population) -> FloatArray:
        """Values of shape (n,)."""
        return self.cost(population.genes)


@dataclass(frozen=True)
class Objective:
    """One axis of a search.

    Attributes:
        metric: What is optimised.
        evaluate: Gives the metric of every candidate of a population, shape (n,).
        limit: The worst value allowed, in the metric's unit: at most, or at least where the metric is maximised.
        exact: Whether `evaluate` is cheap and true, as a table is: searchers look it up and do not learn it.
        constraint: Whether only the limit matters: values within it are all as good.

    Raises:
        ValueError: If a constraint has no limit.
    """

    metric: Metric
    evaluate: Evaluator
    limit: float | None = None
    exact: bool = False
    constraint: bool = False

    def __post_init__(self) -> None:
        if self.constraint and self.limit is None:
            raise ValueError(f"{self.metric.name} is to be a constraint, and has no limit")

    @property
    def cost_limit(self) -> float:
        """The largest cost allowed; infinite where there is no limit."""
        return np.inf if self.limit is None else float(self.metric.costs(np.array([self.limit]))[0])


def costs(objectives: Sequence[Objective], values: FloatArray) -> FloatArray:
    """Values, shape (n, m), as costs to be minimised."""
    return np.column_stack([o.metric.costs(values[:, index]) for index, o in enumerate(objectives)])


def compared(objectives: Sequence[Objective], costs: FloatArray) -> FloatArray:
    """Costs, shape (n, m), as they compare: within a constraint, all are those of its limit."""
    least = [objective.cost_limit if objective.constraint else -np.inf for objective in objectives]
    return np.maximum(costs, least)


def violations(objectives: Sequence[Objective], values: FloatArray) -> FloatArray:
    """By how much each candidate misses the limits, shape (n,): 0, or the sum of the relative excesses."""
    total = np.zeros(len(values))
    for index, objective in enumerate(objectives):
        if objective.limit is not None:
            excess = objective.metric.costs(values[:, index]) - objective.cost_limit
            total += np.maximum(excess, 0.0) / max(abs(objective.limit), 1e-12)
    return total
