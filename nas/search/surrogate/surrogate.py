"""The surrogate of a search: predictions of costs, fitted to the outcomes so far.

Costs that are exact are looked up, not learnt. Independent of metrics and searchers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.objectives import FloatArray, clip_to_constraints
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.archive import Archive
from predictors.predictor import Predictor
from predictors.registry import PREDICTORS
from predictors.warp import Warp
from results.pareto import pareto_ranks
from search_spaces.population import Population

_MOST_ROWS = 600  # outcomes that a predictor is fitted to at most: a fit takes cubic time


def extract_search_features(population: Population) -> FloatArray:
    """The features that a search learns from, shape (n, f): those of the candidates, and a few of their sizes."""
    return np.concatenate([population.features(), population.size_features()], axis=1)


@dataclass(frozen=True)
class Learner:
    """How costs are learnt.

    Attributes:
        predictor: Name of the predictor; see `predictors.registry`.
        seed: Seed of the predictor.
        features: Computes the features that it is fitted to, shape (n, f), from a population of n.
    """

    predictor: str
    seed: int
    features: Callable[[Population], FloatArray] = extract_search_features

    def create_predictor(self) -> Predictor:
        """A fresh predictor."""
        return PREDICTORS[self.predictor](self.seed)


class Surrogate:
    """Predictors of the costs that are not exact, fitted to an archive.

    Costs are warped, without a change of their order, so that those of the archive are roughly normal: else the
    accuracies of a few collapsed networks would make all standard deviations large.

    Args:
        problem: The search problem.
        learner: How costs are learnt.
        archive: Two candidates or more, and their costs.
        rng: Draws the outcomes to fit to, if there are too many.
        kappa: Number of standard deviations that the lower confidence bound lies below the predicted mean.

    Attributes:
        warps: For each cost, the monotone transformation that makes it roughly normal.
    """

    def __init__(
        self, problem: SearchProblem, learner: Learner, archive: Archive, rng: np.random.Generator, kappa: float
    ) -> None:
        self._objectives = problem.objectives
        self._kappa = kappa
        self._features = learner.features
        self.warps = [Warp.fit(column) for column in archive.costs.T]
        rows = _choose_rows(archive.costs, rng)
        fitted = self._features(archive.population.take(rows))
        self._models: list[Predictor | None] = []
        for objective, warp, column in zip(problem.objectives, self.warps, archive.costs.T, strict=True):
            model = None if objective.exact else learner.create_predictor()
            if model is not None:
                model.fit(fitted, warp.forward(column[rows]))
            self._models.append(model)
        self._limits = [
            None if o.limit is None else warp.forward(np.array([o.cost_limit]))[0]
            for o, warp in zip(problem.objectives, self.warps, strict=True)
        ]

    def draw(self, population: Population, count: int, rng: np.random.Generator) -> FloatArray:
        """Draws costs of candidates from the predictive distribution, not warped, and clipped to constraints.

        In a draw in which a candidate misses a limit, all its costs are infinite.

        Args:
            population: The candidates, n of them.
            count: Number of draws. Within one, similar candidates err alike, if the predictor models that.
            rng: Source of the draws.

        Returns:
            Costs of shape (count, n, m).
        """
        features = self._learnt_features(population)
        drawn = np.empty((count, len(population), len(self._objectives)))
        for column, (objective, warp, model) in enumerate(zip(self._objectives, self.warps, self._models, strict=True)):
            if model is None:
                drawn[:, :, column] = objective.metric.costs(objective.evaluate(population))
            else:
                drawn[:, :, column] = warp.backward(model.draw(features, count, rng))
        missed = (drawn > [objective.cost_limit for objective in self._objectives]).any(axis=2)
        clipped = clip_to_constraints(self._objectives, drawn.reshape(-1, drawn.shape[2])).reshape(drawn.shape)
        clipped[missed] = np.inf
        return clipped

    def __call__(self, population: Population) -> tuple[FloatArray, FloatArray]:
        """The acquisition: lower confidence bounds of the costs, and the excess of these bounds over the limits.

        Args:
            population: The candidates, n of them.

        Returns:
            Warped costs, clipped to constraints, shape (n, m), and sums of excesses on the warped scale, shape (n,).
        """
        features = self._learnt_features(population)
        columns, excess = [], np.zeros(len(population))
        for objective, warp, model, limit in zip(self._objectives, self.warps, self._models, self._limits, strict=True):
            if model is None:
                column = warp.forward(objective.metric.costs(objective.evaluate(population)))
            else:
                prediction = model.predict(features)
                column = prediction.mean - self._kappa * prediction.std
            if limit is not None:
                excess += np.maximum(column - limit, 0.0)
                column = np.maximum(column, limit) if objective.constraint else column
            columns.append(column)
        return np.column_stack(columns), excess

    def _learnt_features(self, population: Population) -> FloatArray:
        """The features of candidates, shape (n, f); without columns if all costs are exact."""
        return self._features(population) if any(self._models) else np.empty((len(population), 0))


def _choose_rows(costs: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of the rows to fit to: all, or, of too many, one half from the best fronts and the other at random."""
    if len(costs) <= _MOST_ROWS:
        return np.arange(len(costs))
    best = np.argsort(pareto_ranks(costs), kind="stable")
    half = _MOST_ROWS // 2
    others = rng.choice(best[half:], _MOST_ROWS - half, replace=False)
    return np.sort(np.concatenate([best[:half], others]))
