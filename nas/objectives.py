"""Objectives: a metric, how it is evaluated, and the limit it must keep.

Values are in natural units here; what searchers see are costs and violations. Independent of searchers and databases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from results.metric import Metric
from search_spaces.additive_cost import AdditiveCost
from search_spaces.candidate import Candidate
from search_spaces.population import Population

FloatArray = NDArray[np.float64]
Evaluator = Callable[[Population], FloatArray]  # values in the metric's unit, shape (n,): a table, a predictor, workers


class NothingFeasible(ValueError):
    """No evaluated candidate keeps all limits."""


@dataclass(frozen=True)
class Failure:
    """What a measurement gives of a candidate that it cannot measure; it may well measure others.

    Attributes:
        reason: Why not, in one line.
    """

    reason: str


Measured: TypeAlias = Mapping[str, float] | Failure  # values in the metrics' units, by name of the metric


class Measurement(Protocol):
    """Measures candidates, several at the same time; one measurement of a candidate gives the values of all metrics.

    Equal measurements give equal values, so a candidate is measured once for all objectives with equal measurements.
    """

    def submit(self, candidate: Candidate, fidelity: float) -> Future[Measured]:
        """Begins to measure a candidate.

        Args:
            candidate: The candidate.
            fidelity: Share of a full measurement, above 0 and at most 1.

        Returns:
            A future of the values, or of the failure of this candidate. It raises what no candidate could be measured
            for.
        """


@dataclass(frozen=True)
class MeasuredEvaluator:
    """The evaluator of an objective that is measured: one metric of a measurement.

    Attributes:
        measurement: The measurement; evaluators of several objectives may share it.
        name: Name of the metric.
    """

    measurement: Measurement
    name: str

    def __call__(self, population: Population) -> FloatArray:
        """Measures all candidates of a population at its fidelity; values of shape (n,), in its order.

        Raises:
            ValueError: If one of them cannot be measured.
        """
        submitted = [self.measurement.submit(candidate, population.fidelity) for candidate in population.candidates]
        return np.array([self.read(future.result()) for future in submitted], dtype=np.float64)

    def read(self, measured: Measured) -> float:
        """The value of the metric, out of all values of one candidate.

        Raises:
            ValueError: If the metric is not among them, or there are none.
        """
        if isinstance(measured, Failure):
            raise ValueError(f"a candidate could not be measured: {measured.reason}")
        if self.name not in measured:
            raise ValueError(f"a measurement that gives {self.name} is needed, got one of {', '.join(measured)}")
        return measured[self.name]


@dataclass(frozen=True)
class AdditiveEvaluator:
    """An evaluator that looks up a sum of tabulated terms; some searchers use the terms themselves.

    Attributes:
        cost: The sum, in the metric's unit.
    """

    cost: AdditiveCost

    def __call__(self, population: Population) -> FloatArray:
        """Values of shape (n,)."""
        return self.cost(population.genes)


@dataclass(frozen=True)
class Objective:
    """A metric that a search optimises or limits.

    Attributes:
        metric: The metric.
        evaluate: Computes the metric of every candidate of a population of n, shape (n,).
        limit: The worst value allowed, in the metric's unit: the largest, or the smallest if the metric is maximised.
        exact: Whether `evaluate` is cheap and without error, as a table is: searchers call it instead of predicting.
        constraint: Whether the metric is only limited: all values within the limit are equally good.

    Raises:
        ValueError: If a constraint has no limit, or the limit is no number.
    """

    metric: Metric
    evaluate: Evaluator
    limit: float | None = None
    exact: bool = False
    constraint: bool = False

    def __post_init__(self) -> None:
        if self.constraint and self.limit is None:
            raise ValueError(f"{self.metric.name} is to be a constraint, and has no limit")
        if self.limit is not None and math.isnan(self.limit):
            raise ValueError(f"the limit of {self.metric.name} must be a number, got {self.limit}")

    @property
    def cost_limit(self) -> float:
        """The largest cost allowed; infinite if there is no limit."""
        return np.inf if self.limit is None else float(self.metric.costs(np.array([self.limit]))[0])


def compute_costs(objectives: Sequence[Objective], values: FloatArray) -> FloatArray:
    """Values as costs to be minimised.

    Args:
        objectives: The objectives, m of them.
        values: In natural units, shape (n, m).

    Returns:
        Costs of shape (n, m).
    """
    return np.column_stack([o.metric.costs(values[:, index]) for index, o in enumerate(objectives)])


def clip_to_constraints(objectives: Sequence[Objective], costs: FloatArray) -> FloatArray:
    """Clips each constrained cost at its limit, so that feasible candidates tie on it.

    Args:
        objectives: The objectives, m of them.
        costs: To be minimised, shape (n, m).

    Returns:
        Costs of shape (n, m); those of objectives that are no mere constraints are as they came.
    """
    least = [objective.cost_limit if objective.constraint else -np.inf for objective in objectives]
    return np.maximum(costs, least)


def compute_violations(objectives: Sequence[Objective], values: FloatArray) -> FloatArray:
    """The violation of each candidate: the sum of its excesses over the limits, each relative to its limit.

    Args:
        objectives: The objectives, m of them.
        values: In natural units, shape (n, m).

    Returns:
        Violations of shape (n,); 0 for a candidate that keeps all limits, infinite for one with a value that is NaN.
    """
    total = np.where(np.isnan(values).any(axis=1), np.inf, 0.0)
    for index, objective in enumerate(objectives):
        if objective.limit is not None:
            excess = objective.metric.costs(values[:, index]) - objective.cost_limit
            # the floor keeps a limit of 0 from dividing by it
            total += np.fmax(excess, 0.0) / max(abs(objective.limit), 1e-12)
    return total


def infeasibility_message(objectives: Sequence[Objective], values: FloatArray) -> str:
    """The message that no candidate keeps all limits, with the values of the one with the least violation.

    Args:
        objectives: The objectives, m of them.
        values: In natural units, shape (n, m), of which no row keeps all limits.
    """
    nearest = values[compute_violations(objectives, values).argmin()]
    limited = [(o, value) for o, value in zip(objectives, nearest, strict=True) if o.limit is not None]
    asked = " and ".join(f"{o.metric.name} {'>=' if o.metric.maximize else '<='} {o.limit:g}" for o, _ in limited)
    found = ", ".join(f"{o.metric.name} {value:.4g}" for o, value in limited)
    return f"nothing satisfies {asked}: the nearest of {len(values)} candidates has {found}; relax the limits"
