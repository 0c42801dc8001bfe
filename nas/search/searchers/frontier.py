"""Search by integer programs: optima of one cost under bounds on the others.

Costs that are tabulated sums enter the programs exactly, other costs as linear models.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from nas.objectives import AdditiveEvaluator, FloatArray
from nas.search.integer_program.minimizer import AdditiveMinimizer
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod, check_count
from nas.search.protocol.searcher import Searcher
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.archive import Archive
from predictors.ridge import RidgePredictor
from search_spaces.population import Population
from search_spaces.search_space import Genes

_FITTED_SAMPLE = 2000  # candidates that a linear model is fitted to, of the terms that a program leaves out
_ENDS = 0.1  # share of the programs whose only bounds are the limits: they find the ends of the front
_ATTEMPTS = 3  # programs that are solved for one candidate, as an optimum may be known; each takes up to seconds
_CUTS = 20  # candidates that a program excludes at most: each takes a dense row of its matrix


@dataclass(frozen=True)
class Frontier(SearchMethod):
    """Optima by integer programs, for any number of objectives.

    Attributes:
        initial_design: Number of candidates of the first design, before the first programs.

    Raises:
        ValueError: If the number is below 1.
    """

    initial_design: int = FIRST_DESIGN

    def __post_init__(self) -> None:
        check_count("initial_design", self.initial_design)

    def create(self, problem: SearchProblem, seed: int) -> FrontierSearcher:
        return FrontierSearcher(problem, self, seed)


class FrontierSearcher(Searcher):
    """Asks for optima of one cost under random bounds on the other costs; linear models are refitted in every `ask`.

    An exact cost that is a sum of tabulated terms enters the programs as that sum. Linear models replace other costs,
    and the terms that a program leaves out: those of derived columns, and the largest ones. Every optimum that is asked
    for is checked to keep its bounds on exact costs.

    Args:
        problem: The search problem.
        method: The options.
        seed: Seed of the first design and of the bounds.
    """

    batch = 10

    def __init__(self, problem: SearchProblem, method: Frontier, seed: int) -> None:
        self.space = problem.space
        self._problem, self._initial = problem, method.initial_design
        self._rng = np.random.default_rng(seed)
        self._unseen = UnseenCandidates(
            self.space, self._rng, design=create_first_design(self.space, self._initial, seed)
        )
        sums = {
            column: objective.evaluate.cost
            for column, objective in enumerate(problem.objectives)
            if objective.exact and isinstance(objective.evaluate, AdditiveEvaluator)
        }
        self._minimizer = AdditiveMinimizer(self.space, list(sums.values()))
        self._exact = [column for column, objective in enumerate(problem.objectives) if objective.exact]
        self._sums = {column: self._tabulate(column, number) for number, column in enumerate(sums)}
        self._archive = Archive(problem)
        self._refused: deque[Genes] = deque(maxlen=_CUTS)

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then optima; random ones if too few optima are unseen."""
        found = self._unseen.take_designed(n)
        if len(found) < n and len(self._archive) >= self._initial:
            slopes, offsets = self._fit_models()
            optima = [self._find_optimum(slopes, offsets) for _ in range(n - len(found))]
            found = np.concatenate([found, *(genes[None] for genes in optima if genes is not None)])
        return Population(self.space, np.concatenate([found, self._unseen.sample(n - len(found))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome for the next fit."""
        self._unseen.admit(population.genes)
        self._archive.add(population, costs, violations)

    def tell_failures(self, population: Population) -> None:
        """Marks the candidates as seen; nothing is fitted to them."""
        self._unseen.admit(population.genes)

    def _tabulate(self, column: int, number: int) -> tuple[FloatArray, float]:
        """The slope over all variables, shape (v,), and the offset of a tabulated cost.

        Args:
            column: Index of the objective.
            number: Index of the cost among those of the program.
        """
        program, metric = self._minimizer.program, self._problem.objectives[column].metric
        slope, offset = program.slopes[number], 0.0
        if program.left_out[number].terms:
            sample = self.space.sample(self._rng, _FITTED_SAMPLE)
            rest, offset = _fit_linear(sample, program.left_out[number](sample.genes))
            slope = slope + program.extend_slope(rest)
        return metric.costs(slope), float(metric.costs(offset))

    def _fit_models(self) -> tuple[FloatArray, FloatArray]:
        """Slopes, shape (m, v), and offsets, shape (m,), of all costs: those of the tables, or of linear models."""
        models = []
        for column, costs in enumerate(self._archive.costs.T):
            if column not in self._sums:
                slope, offset = _fit_linear(self._archive.population, costs)
                models.append((self._minimizer.program.extend_slope(slope), offset))
            else:
                models.append(self._sums[column])
        slopes, offsets = zip(*models, strict=True)
        return np.array(slopes), np.array(offsets)

    def _find_optimum(self, slopes: FloatArray, offsets: FloatArray) -> Genes | None:
        """An unseen candidate of least cost, for a random cost and random bounds on the others; None if none is found.

        An optimum that was seen before or exceeds a bound is refused, and excluded from the next programs.
        """
        main, levels = self._draw_levels()
        most = levels - offsets
        for _ in range(_ATTEMPTS):
            bounds = [(slopes[column], float(most[column])) for column in np.flatnonzero(np.isfinite(most))]
            genes = self._minimizer.minimize(slopes[main], bounds, list(self._refused))
            if genes is None:
                return None
            excess = self._measure_excess(genes, levels)
            if not excess.any() and len(self._unseen.admit(genes[None])):
                return genes
            self._refused.append(genes)
            most -= excess  # tightens the bounds: a linear model was too low, or the solver's tolerance was used
        return None

    def _draw_levels(self) -> tuple[int, FloatArray]:
        """Draws which cost is minimised, and the upper bounds of all costs.

        Returns:
            The index of the cost, and the bounds of shape (m,): a point between the costs of two candidates of the
            archive, but at most the limits.
        """
        main, limits = int(self._rng.choice(self._problem.minimized)), self._problem.cost_limits
        if self._rng.random() < _ENDS:
            return main, limits
        costs = self._archive.costs[self._archive.violations == 0] if self._archive.is_feasible else self._archive.costs
        one, other = costs[self._rng.integers(len(costs), size=2)]
        levels = one + self._rng.random() * (other - one)  # costs of the archive as bounds would give the same optima
        levels[main] = np.inf
        return main, np.minimum(levels, limits)

    def _measure_excess(self, genes: Genes, levels: FloatArray) -> FloatArray:
        """The excess of a candidate's exact costs over their bounds, shape (m,); 0 for costs that are not exact."""
        population, excess = Population(self.space, genes[None]), np.zeros(len(levels))
        for column in self._exact:
            objective = self._problem.objectives[column]
            excess[column] = max(objective.metric.costs(objective.evaluate(population))[0] - levels[column], 0.0)
        return excess


def _fit_linear(population: Population, values: FloatArray) -> tuple[FloatArray, float]:
    """Slopes over the features, shape (f,), and offset of a linear model fitted to candidates and their values."""
    model = RidgePredictor()
    model.fit(population.one_hot(), values)
    return model.linear.slope, model.linear.offset
