"""Search by sensitivity: exact allocations of policies to the layers of one network, measured and corrected in a loop.

A table of damage, one entry for each policy of each layer, makes the choice of policies a knapsack, which is solved
exactly (`nas.compression.allocation`). What it chooses is measured, the table is corrected by the outcomes, and more is
chosen where the front is expected to gain most: Thompson sampling (Thompson 1933) with the exact solver inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.objectives import AdditiveEvaluator, FloatArray
from nas.search.protocol.outlook import Outlook
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod, check_count
from nas.search.protocol.searcher import Searcher
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.allocated_design import allocate_design, list_tabulated
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.damage_model import DamageModel
from nas.search.surrogate.floor_bisection import FloorBisection, has_floor
from nas.search.surrogate.gain_forecast import GainForecast, find_volume_reference
from nas.search.surrogate.weighted_costs import WeightedCosts, list_uniform
from results.pareto import hypervolume
from search_spaces.population import Population
from search_spaces.search_space import Genes

_BATCH = 10  # candidates between two corrections of the table
_POINTS = 60  # allocations that are read off a frontier and compared
_DRAWS = 24  # draws of the table from which an outlook is computed
_MOST_FORECAST = 60  # candidates of an outlook at most
_FORECAST_STREAM = 0xFC  # forecasts have random numbers of their own, so that they do not change the search


@dataclass(frozen=True)
class Allocation(SearchMethod):
    """Exact allocations by a table of damage, for the policies of one network.

    Attributes:
        sensitivity: Name of the sensitivity metric that makes the table; see `nas.compression.sensitivity.registry`.
        initial_design: Number of allocations, evenly spread over the costs, that are measured before the table is
            corrected; besides them, all layers are given the same policy, with each policy once. Where one cost is
            minimised above a floor, a bisection of its frontier takes their place.

    Raises:
        ValueError: If the number is below 1.
    """

    weighs_work = True
    begins_uniform = True
    budgets_limits = True
    has_outlook = True

    sensitivity: str = "output_distortion"
    initial_design: int = 20

    def __post_init__(self) -> None:
        check_count("initial_design", self.initial_design)

    @property
    def damage_metric(self) -> str:
        """The metric that makes the table."""
        return self.sensitivity

    @classmethod
    def check(cls, problem: SearchProblem) -> None:
        """Refuses a problem that it cannot search.

        Raises:
            ValueError: If it has no table of damage, or not both measured and tabulated objectives and constraints.
        """
        super().check(problem)
        if not problem.damage:
            raise ValueError(
                "searcher 'allocation' chooses the policies of one given network, whose damage was measured, got space "
                f"{problem.space.name!r}; name another searcher, or a network in space.network"
            )
        tabulated = [one.metric.name for one in problem.objectives if isinstance(one.evaluate, AdditiveEvaluator)]
        cls.check_metrics(
            [one.metric.name for one in problem.objectives if one.metric.name not in tabulated], tabulated
        )

    @classmethod
    def check_metrics(cls, measured: Sequence[str], tabulated: Sequence[str]) -> None:
        """Refuses metrics that are all measured, or all tabulated.

        Args:
            measured: Names of those that are measured.
            tabulated: Names of those that are computed or looked up.

        Raises:
            ValueError: If they are.
        """
        if not measured or not tabulated:
            raise ValueError(
                "searcher 'allocation' trades what is measured, such as accuracy, for what is tabulated, such as "
                f"weight_bytes; objectives and limits need both, got {', '.join([*measured, *tabulated])}"
            )

    def create(self, problem: SearchProblem, seed: int) -> AllocationSearcher:
        return AllocationSearcher(problem, self, seed)


class AllocationSearcher(Searcher):
    """Asks for uniform policies, then for allocations over all costs, then where the front gains most in a draw.

    In each draw the table of damage of one measured objective is drawn from its model, the tabulated costs are weighted
    at random, and the exact frontier of both is computed; of its unseen candidates within the limits, the one that adds
    the largest hypervolume for the work of measuring it, by measured costs that are drawn anew, is asked for. Tabulated
    costs of candidates are the exact ones, whatever the weights.

    Where one cost is minimised and what is measured is only limited, it first bisects the frontier of damage and that
    cost, one candidate at a time.

    Args:
        problem: The search problem, with a table of damage.
        method: The options.
        seed: Seed of all random choices.
    """

    def __init__(self, problem: SearchProblem, method: Allocation, seed: int) -> None:
        self.space = problem.space
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._forecast_rng = np.random.default_rng([seed, _FORECAST_STREAM])
        self._tabulated = list_tabulated(problem)
        self._measured = [column for column in range(len(problem.objectives)) if column not in self._tabulated]
        self._costs = WeightedCosts(problem, self._tabulated, problem.budgeted)
        self._archive = Archive(problem)
        self._forecast = GainForecast(self._archive)
        self._pending: Genes = self._archive.genes
        self._models: dict[int, DamageModel] = {}
        self._floor = FloorBisection(problem, self._costs) if has_floor(problem) else None
        count = method.initial_design if self._floor is None else 0
        design = allocate_design(problem, self._costs, count)
        self.notes = self._costs.notes
        self._unseen = UnseenCandidates(self.space, self._rng, problem.subspace, design)
        uniform = self.space.population(list_uniform(self.space))
        self._untold = {genes.tobytes() for genes in uniform.genes[self._unseen.are_unseen(uniform.genes)]}
        self._set_batch()

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then the best of one draw after the other."""
        asked = self._archive.genes[:0] if self._floor is None else self._unseen.admit(self._floor.step)
        asked = np.concatenate([asked, self._unseen.take_designed(n - len(asked))])
        self._pending = np.concatenate([self._pending, asked])
        while len(asked) < n and len(chosen := self._choose()):
            asked = np.concatenate([asked, chosen])
            self._pending = np.concatenate([self._pending, chosen])
        return Population(self.space, np.concatenate([asked, self._unseen.sample(n - len(asked))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome; the models are fitted to it when they are next used."""
        self._forget(population, costs)
        self._archive.add(population, costs, violations)
        self._models = {}

    def tell_failures(self, population: Population) -> None:
        """Asks for these candidates no more; nothing is fitted to them."""
        self._forget(population, np.full((len(population), len(self._problem.objectives)), np.inf))

    def forecast(self, n: int) -> Outlook | None:  # noqa: ARG002 the frontier is the same, however many are asked for
        """The gain of as many evaluations as were made so far, but of at most 60; None before all uniform policies."""
        if len(self._archive) and not self._untold:
            rng, weights = self._forecast_rng, np.ones(len(self._tabulated)) / len(self._tabulated)
            model = self._model(self._measured[0])
            found = self._allocate(model, model.expected, weights, _MOST_FORECAST)
            pool = self.space.population(found).unique()
            pool = pool.take(self._unseen.are_unseen(pool.genes))
            drawn = np.array([self._predict(pool.genes, rng) for _ in range(_DRAWS)])
            self.outlook = self._forecast.forecast(drawn, drawn) if len(pool) else None
        return self.outlook

    def _choose(self) -> Genes:
        """The candidate that adds most for its work in a draw, shape (1, d); none, shape (0, d), if there is none."""
        if not len(self._archive):
            return self._archive.genes
        model = self._model(self._measured[int(self._rng.integers(len(self._measured)))])
        weights = self._rng.dirichlet(np.ones(len(self._tabulated)))
        pool = self._allocate(model, model.draw(self._rng), weights, _POINTS)
        genes = self.space.population(pool).unique().genes
        genes = genes[self._unseen.are_unseen(genes)]
        if not len(genes):
            return genes
        known = np.concatenate([self._pending, genes])
        costs = self._predict(known, self._rng)
        front = np.concatenate([self._archive.front, costs[: len(self._pending)]])
        reference = find_volume_reference(front)
        new = costs[len(self._pending) :]
        feasible = (new <= self._problem.cost_limits).all(axis=1)
        volumes = np.array([hypervolume(np.concatenate([front, one[None]]), reference) for one in new])
        if self._problem.work is not None:
            volumes = (volumes - hypervolume(front, reference)) / self._problem.work(genes)
        best = int(np.lexsort((volumes, feasible))[-1])
        return self._unseen.admit(genes[best : best + 1])

    def _predict(self, genes: Genes, rng: np.random.Generator) -> FloatArray:
        """A draw of the costs of candidates, clipped to constraints, shape (n, m); tabulated ones are exact."""
        population, costs = Population(self.space, genes), np.empty((len(genes), len(self._problem.objectives)))
        for column in self._tabulated:
            objective = self._problem.objectives[column]
            costs[:, column] = objective.metric.costs(objective.evaluate(population))
        for column in self._measured:
            model = self._model(column)
            costs[:, column] = model.predict(genes, model.draw(rng))
        return self._problem.clip_to_constraints(costs)

    def _model(self, column: int) -> DamageModel:
        """The model of a measured objective, fitted to all outcomes."""
        if column not in self._models:
            problem, archive = self._problem, self._archive
            costs = archive.costs[:, column]
            self._models[column] = DamageModel(problem.damage, archive.genes, costs, problem.pairs)
        return self._models[column]

    def _allocate(self, model: DamageModel, factors: FloatArray, weights: FloatArray, points: int) -> Genes:
        """Allocations of least damage by a corrected table, shape (n, d) with n at most `points`."""
        damage, pairs = model.correct(factors)
        found = self._costs.allocate(damage, weights, points, pairs)
        self.notes = self._costs.notes  # of a sweep that was too large for the first time, too
        return found

    def _forget(self, population: Population, costs: FloatArray) -> None:
        """Waits for candidates no more: their costs are told, or infinite where they could not be measured."""
        if self._floor is not None:
            self._floor.learn(population.genes, costs)
            self._set_batch()
        self._unseen.admit(population.genes)
        known = {genes.tobytes() for genes in population.genes}
        self._untold -= known
        self._pending = self._pending[[genes.tobytes() not in known for genes in self._pending]]

    def _set_batch(self) -> None:
        """A step of the bisection depends on the one before, so that others would only delay it."""
        self.batch = _BATCH if self._floor is None or not len(self._floor.step) else 1
