"""LINAS: predictors are fitted to all outcomes, and a search on their predictions chooses what to evaluate next.

Source: Cummings et al., "A hardware-aware framework for accelerating neural architecture search across modalities",
2022 (LINAS). `LinasSearcher` says how it differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design, list_obvious_candidates
from nas.search.protocol.outlook import Outlook
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod, check_count
from nas.search.protocol.searcher import Searcher
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.allocated_design import (
    allocate_architectures,
    allocate_design,
    has_architectures_without_damage,
    list_tabulated,
)
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.gain_forecast import GainForecast
from nas.search.surrogate.inner_evolution import find_promising
from nas.search.surrogate.ranking import choose_first_fronts
from nas.search.surrogate.surrogate import Learner, Surrogate
from nas.search.surrogate.weighted_costs import WeightedCosts
from predictors.registry import DEFAULT_PREDICTOR, PREDICTORS
from search_spaces.population import Population
from search_spaces.search_space import Genes

_GROWTH = 20  # a round has at least 1/20 of the archive's size: later fits take longer, and change less
# Factors of the lower confidence bound, used by the rounds in turn: small ones exploit along the whole front, large
# ones explore and find candidates that the limits leave little room for.
_KAPPA = (0.5, 1.5)
_ALLOCATED_SHARE = 0.7  # of a first design that a table of damage seeds
_ALLOCATED = 20  # best candidates of a supernet whose architectures enter an inner search with allocated policies
_DRAWS = 24  # draws of the costs from which an outlook is computed
_MOST_FORECAST = 200  # candidates of an outlook at most: joint draws take cubic time
_FORECAST_STREAM = 0xFC  # forecasts have random numbers of their own, so that they do not change the search


@dataclass(frozen=True)
class Linas(SearchMethod):
    """A search by predictors that learn from all outcomes, for any number of objectives.

    Attributes:
        predictor: Name of the predictor of costs that are not exact; see `predictors.registry`.
        initial_design: Number of candidates of the first design, before the first fit.
        inner_evaluations: Number of candidates whose costs are predicted in a round.
        sensitivity: Name of the sensitivity metric by whose table of damage most of the first design is allocated; see
            `nas.compression.sensitivity.registry`. None takes no such table.
        own_tables: Of a supernet, how many architectures get a table of their own in each round, by that metric: the
            best that have none. None takes the table of the largest network for all.

    Raises:
        ValueError: If the predictor is unknown, a number is below 1, or there are to be tables and no metric.
    """

    allocates_architectures = True
    has_outlook = True

    predictor: str = DEFAULT_PREDICTOR
    initial_design: int = FIRST_DESIGN
    inner_evaluations: int = 20_000
    sensitivity: str | None = None
    own_tables: int | None = None

    def __post_init__(self) -> None:
        PREDICTORS.check_name(self.predictor)
        check_count("initial_design", self.initial_design)
        check_count("inner_evaluations", self.inner_evaluations, most=1_000_000)
        if self.own_tables is not None:
            check_count("own_tables", self.own_tables)
            if self.sensitivity is None:
                raise ValueError(
                    f"own_tables are measured by the metric sensitivity, got {self.own_tables} and no metric; add one, "
                    "such as sensitivity: output_divergence, or leave own_tables out"
                )

    @property
    def damage_metric(self) -> str | None:
        """The metric that makes the table, if there is to be one."""
        return self.sensitivity

    @property
    def measures_architectures(self) -> bool:
        """Whether architectures get tables of their own."""
        return self.own_tables is not None

    def create(self, problem: SearchProblem, seed: int) -> LinasSearcher:
        return LinasSearcher(problem, self, seed)


class LinasSearcher(Searcher):
    """In every round, fits the predictors, searches on their predictions, and asks for the best that it found.

    Unlike the publication, it looks up exact costs, ranks candidates by lower confidence bounds of the other costs,
    asks for no candidate that was told, has small rounds, and predicts all candidates of a small space. It starts with
    a first design that spans the space, or holds allocations of least damage where the damage of policies is known, and
    every inner search also starts from the obvious candidates. Its predictors read sizes and shares of policies as
    features, too. Outcomes that it is told before it asks count towards the first design.

    Args:
        problem: The search problem.
        method: The options.
        seed: Seed of all random choices.

    Raises:
        ValueError: If architectures are to get tables of their own, and the problem does not say how.
    """

    batch = 10

    def __init__(self, problem: SearchProblem, method: Linas, seed: int) -> None:
        if method.measures_architectures and problem.measure_damage is None:
            raise ValueError("own_tables need SearchProblem.measure_damage, and this problem has none; leave them out")
        self.space = problem.space
        self._problem, self._method = problem, method
        self._learner, self._kappa = Learner(method.predictor, seed), cycle(_KAPPA)
        self._rng = np.random.default_rng(seed)
        design, self.notes = _create_design(problem, method.initial_design, seed)
        self._unseen = UnseenCandidates(self.space, self._rng, problem.subspace, design)
        self._obvious = list_obvious_candidates(self.space, problem.subspace).genes
        self._archive = Archive(problem)
        self._planned = self._archive.genes
        self._own_damage: dict[bytes, tuple[FloatArray, ...]] = {}  # of architectures, by their genes
        self._forecast = GainForecast(self._archive)
        self._forecast_rng = np.random.default_rng([seed, _FORECAST_STREAM])
        # for the next forecast: the surrogate of the last round, its candidates, and those of the outlook
        self._pending_round: tuple[Surrogate, Population, Population] | None = None

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then those left of the last round, then of new rounds."""
        designed = self._unseen.take_designed(0 if self._is_designed else n)
        n -= len(designed)
        while len(self._planned) < n and self._is_designed and self._plan(n - len(self._planned)):
            pass
        asked, self._planned = self._planned[:n], self._planned[n:]
        return Population(self.space, np.concatenate([designed, asked, self._unseen.sample(n - len(asked))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome for the next fit."""
        self._forget(population)
        self._archive.add(population, costs, violations)

    def tell_failures(self, population: Population) -> None:
        """Asks for these candidates no more; nothing is fitted to them."""
        self._forget(population)

    def _forget(self, population: Population) -> None:
        """Neither plans nor asks for these candidates any more."""
        self._unseen.admit(population.genes)
        known = {genes.tobytes() for genes in population.genes}
        self._planned = self._planned[[genes.tobytes() not in known for genes in self._planned]]

    def forecast(self, n: int) -> Outlook | None:
        """The gain of as many evaluations as were made so far, but of at most 200.

        None before the first round, while no candidate is feasible, and when none is left to ask for.
        """
        if len(self._planned) < n and self._is_designed:
            self._plan(n - len(self._planned))
        if self._pending_round is not None:
            surrogate, *rounds = self._pending_round
            drawn = [surrogate.draw(population, _DRAWS, self._forecast_rng) for population in rounds]
            self.outlook, self._pending_round = self._forecast.forecast(*drawn), None
        return self.outlook

    @property
    def _is_designed(self) -> bool:
        """Whether there are enough outcomes for a first fit."""
        return len(self._archive) >= self._method.initial_design

    def _plan(self, n: int) -> bool:
        """Plans a round of `n` candidates or more; returns whether any candidate was left to plan."""
        planned = self._unseen.admit(self._find_round(max(n, self.batch, len(self._archive) // _GROWTH)))
        self._planned = np.concatenate([self._planned, planned])
        return len(planned) > 0

    def _find_round(self, n: int) -> Genes:
        """Genes of the `n` unseen candidates that are predicted to be best, shape (n, d); fewer if fewer are left."""
        surrogate = Surrogate(self._problem, self._learner, self._archive, self._rng, next(self._kappa))
        ranked = self._archive.sort_best_first()
        best = np.concatenate([self._obvious, self._allocate(ranked[:_ALLOCATED]), ranked])
        pool = find_promising(self._unseen, surrogate, best, self._method.inner_evaluations)
        self.outlook, self._pending_round = None, None
        if len(pool) == 0:
            return pool
        acquisition = surrogate(Population(self.space, pool))
        chosen = choose_first_fronts(min(n, len(pool)), *acquisition)
        if self._archive.is_feasible:
            many = choose_first_fronts(min(len(self._archive), _MOST_FORECAST, len(pool)), *acquisition)
            self._pending_round = surrogate, Population(self.space, pool[chosen]), Population(self.space, pool[many])
        return pool[chosen]

    def _allocate(self, genes: Genes) -> Genes:
        """The architectures of candidates with allocated policies, where damage is known; none for a given network."""
        if not has_architectures_without_damage(self._problem):
            return genes[:0]
        architectures = genes[:, : len(self.space.architectures.choices)]
        self._measure_own(architectures)
        damages = [self._own_damage.get(row.tobytes(), self._problem.damage) for row in architectures]
        return allocate_architectures(self._problem, Population(self.space, genes), len(self._archive), damages).genes

    def _measure_own(self, architectures: Genes) -> None:
        """Measures the damage in the first architectures, shape (n, genes), of which it is not known."""
        measure = self._problem.measure_damage
        if measure is None or self._method.own_tables is None:
            return
        unknown = {row.tobytes(): row for row in architectures if row.tobytes() not in self._own_damage}
        for key, row in [*unknown.items()][: self._method.own_tables]:
            self._own_damage[key] = measure(row)


def _create_design(problem: SearchProblem, size: int, seed: int) -> tuple[Population, tuple[str, ...]]:
    """The first design of a problem, and what is to be said; with known damage, most of its policies are allocated.

    The rest has the same policy in all layers, or random ones: predictors learn little of a layer that has the same
    policy in all allocations.
    """
    if not problem.damage:
        return create_first_design(problem.space, size, seed, problem.subspace), ()
    others = round((1 - _ALLOCATED_SHARE) * size)
    notes: tuple[str, ...] = ()
    if has_architectures_without_damage(problem):
        found = create_first_design(problem.space, size, seed, problem.subspace, 1 - _ALLOCATED_SHARE)
        spread = found.take(slice(others, None))
        parts = [found.take(slice(0, others)), allocate_architectures(problem, spread, seed), spread]
    else:
        costs = WeightedCosts(problem, list_tabulated(problem))
        filling = create_first_design(problem.space, size, seed, problem.subspace)
        parts = [allocate_design(problem, costs, size - others), filling.take(slice(size - others, None)), filling]
        notes = costs.notes
    return parts[0].join(*parts[1:]).unique().take(slice(0, size)), notes
