"""What a search believes about candidates that it has not measured.

In: told candidates and their costs. Out: optimistic costs of others. Costs that are exact are looked up, not learnt.
Knows no metric and no searcher.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.objectives import FloatArray, compared
from nas.search.archive import Archive
from nas.search.problem import SearchProblem
from predictors.predictor import Predictor
from predictors.warp import Warp
from results.pareto import pareto_ranks
from search_spaces.population import Population

_MOST_ROWS = 600  # told candidates that a predictor is fitted to; a fit takes cubic time


def searched_features(population: Population) -> FloatArray:
    """What a search learns from: the features of candidates, and their sizes in a few numbers, shape (n, f)."""
    return np.concatenate([population.features(), population.size_features()], axis=1)


class Surrogate:
    """Predictors of the costs that are not exact, fitted to what was told.

    Costs are warped so that told ones are roughly normal, which changes no order: the accuracies of a few collapsed
    networks would make all deviations look large.

    Args:
        problem: The problem.
        seed: Of the predictors.
        told: Candidates, at least 2, and their costs.
        rng: Draws the rows that are fitted, where there are too many.
        optimism: How many standard deviations a cost is hoped to be below its prediction.
        features: What predictors are fitted to.

    Attributes:
        warps: Of each cost, what makes it roughly normal.
    """

    def __init__(
        self,
        problem: SearchProblem,
        seed: int,
        told: Archive,
        rng: np.random.Generator,
        optimism: float,
        features: Callable[[Population], FloatArray] = searched_features,
    ) -> None:
        self._objectives = problem.objectives
        self._optimism = optimism
        self._features = features
        self.warps = [Warp.fit(column) for column in told.costs.T]
        rows = _fitted_rows(told.costs, rng)
        fitted = features(told.population.take(rows))
        self._models: list[Predictor | None] = []
        for objective, warp, column in zip(problem.objectives, self.warps, told.costs.T, strict=True):
            model = None if objective.exact else problem.predictor(seed)
            if model is not None:
                model.fit(fitted, warp.forward(column[rows]))
            self._models.append(model)
        self._limits = [
            None if o.limit is None else warp.forward(np.array([o.cost_limit]))[0]
            for o, warp in zip(problem.objectives, self.warps, strict=True)
        ]

    def draw(self, population: Population, count: int, rng: np.random.Generator) -> FloatArray:
        """Draws of the costs that candidates may have, in natural units and as they compare, shape (count, n, m).

        A candidate that misses a limit in a draw costs infinitely much there.
        """
        features = self._learnt_from(population)
        drawn = np.empty((count, len(population), len(self._objectives)))
        for column, (objective, warp, model) in enumerate(zip(self._objectives, self.warps, self._models, strict=True)):
            if model is None:
                drawn[:, :, column] = objective.metric.costs(objective.evaluate(population))
            else:
                drawn[:, :, column] = warp.backward(model.draw(features, count, rng))
        missed = (drawn > [objective.cost_limit for objective in self._objectives]).any(axis=2)
        compared_costs = compared(self._objectives, drawn.reshape(-1, drawn.shape[2])).reshape(drawn.shape)
        compared_costs[missed] = np.inf
        return compared_costs

    def __call__(self, population: Population) -> tuple[FloatArray, FloatArray]:
        """Optimistic costs, warped and as they compare, shape (n, m), and their excess over the limits, shape (n,)."""
        features = self._learnt_from(population)
        columns, excess = [], np.zeros(len(population))
        for objective, warp, model, limit in zip(self._objectives, self.warps, self._models, self._limits, strict=True):
            if model is None:
                column = warp.forward(objective.metric.costs(objective.evaluate(population)))
            else:
                prediction = model.predict(features)
                column = prediction.mean - self._optimism * prediction.std
            if limit is not None:
                excess += np.maximum(column - limit, 0.0)
                column = np.maximum(column, limit) if objective.constraint else column
            columns.append(column)
        return np.column_stack(columns), excess

    def _learnt_from(self, population: Population) -> FloatArray:
        """The features of candidates, none where nothing is learnt."""
        return self._features(population) if any(self._models) else np.empty((len(population), 0))


def _fitted_rows(costs: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """All rows; or, of more than may be fitted, half of the best fronts and half of the others at random."""
    if len(costs) <= _MOST_ROWS:
        return np.arange(len(costs))
    best = np.argsort(pareto_ranks(costs), kind="stable")
    half = _MOST_ROWS // 2
    others = rng.choice(best[half:], _MOST_ROWS - half, replace=False)
    return np.sort(np.concatenate([best[:half], others]))
