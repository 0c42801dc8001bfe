"""LINAS: predictors are fitted to all that is measured, and a search on them says what to measure next.

Source: Cummings et al., "A hardware-aware framework for accelerating neural architecture search across modalities",
2022 (LINAS); what differs from it is said at `LinasSearcher`.
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
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.gain_forecast import GainForecast
from nas.search.surrogate.inner_evolution import find_promising
from nas.search.surrogate.ranking import choose_first_fronts
from nas.search.surrogate.surrogate import Learner, Surrogate
from predictors.registry import DEFAULT_PREDICTOR, PREDICTORS
from search_spaces.population import Population
from search_spaces.search_space import Genes

_GROWTH = 20  # a round is at least such a part of the archive: later fits take longer, and change less
_KAPPA = (0.5, 1.5)  # of the rounds in turn: careful ones serve a whole front, bold ones find what limits hide
_DRAWS = 24  # of the costs, for what going on would bring
_MOST_FORESEEN = 200  # candidates of an outlook: joint draws take cubic time
_FORECAST_STREAM = 0xFC  # of the seed, so that forecasts change no search


@dataclass(frozen=True)
class Linas(SearchMethod):
    """A search by predictors that learn from all outcomes, for any number of objectives.

    Attributes:
        predictor: What is fitted to costs that are not exact; see `predictors.registry`.
        initial_design: Candidates before the first fit.
        inner_evaluations: Candidates whose costs are predicted in a round.

    Raises:
        ValueError: If the predictor is unknown, or a number is below 1.
    """

    foresees = True

    predictor: str = DEFAULT_PREDICTOR
    initial_design: int = FIRST_DESIGN
    inner_evaluations: int = 20_000

    def __post_init__(self) -> None:
        PREDICTORS.check_name(self.predictor)
        check_count("initial_design", self.initial_design)
        check_count("inner_evaluations", self.inner_evaluations)

    def create(self, problem: SearchProblem, seed: int) -> LinasSearcher:
        return LinasSearcher(problem, self, seed)


class LinasSearcher(Searcher):
    """Rounds of fitting, searching on predictions, and asking for what was found.

    Unlike the publication, it looks exact costs up, ranks candidates by lower confidence bounds of the others, never
    asks for what is measured, takes small rounds, and predicts all of a small space. It starts with a design that spans
    the space, and every round starts from the obvious candidates, too; its predictors know sizes and shares of
    policies. What is known from elsewhere stands in for the design.

    Args:
        problem: The problem.
        method: The options.
        seed: Of everything random.
    """

    batch = 10

    def __init__(self, problem: SearchProblem, method: Linas, seed: int) -> None:
        self.space = problem.space
        self._problem, self._method = problem, method
        self._learner, self._kappa = Learner(method.predictor, seed), cycle(_KAPPA)
        self._rng = np.random.default_rng(seed)
        design = create_first_design(self.space, method.initial_design, seed, problem.subspace)
        self._unseen = UnseenCandidates(self.space, self._rng, problem.subspace, design)
        self._obvious = list_obvious_candidates(self.space, problem.subspace).genes
        self._archive = Archive(problem)
        self._planned = self._archive.genes
        self._forecast = GainForecast(self._archive)
        self._forecast_rng = np.random.default_rng([seed, _FORECAST_STREAM])
        self._unforeseen: tuple[Surrogate, Population, Population] | None = None  # the round that is not forecast yet

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then those of the present round, then of a new one."""
        designed = self._unseen.take_designed(0 if self._is_designed else n)
        n -= len(designed)
        while len(self._planned) < n and self._is_designed and self._plan(n - len(self._planned)):
            pass
        asked, self._planned = self._planned[:n], self._planned[n:]
        return Population(self.space, np.concatenate([designed, asked, self._unseen.sample(n - len(asked))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome for the next fit."""
        self._unseen.admit(population.genes)
        known = {genes.tobytes() for genes in population.genes}
        self._planned = self._planned[[genes.tobytes() not in known for genes in self._planned]]
        self._archive.add(population, costs, violations)

    def foresee(self, n: int) -> Outlook | None:
        """What as many evaluations again would bring.

        None before the first round, while nothing is feasible, and when nothing is left to ask.
        """
        if len(self._planned) < n and self._is_designed:
            self._plan(n - len(self._planned))
        if self._unforeseen is not None:
            surrogate, *rounds = self._unforeseen
            drawn = [surrogate.draw(population, _DRAWS, self._forecast_rng) for population in rounds]
            self.outlook, self._unforeseen = self._forecast.forecast(*drawn), None
        return self.outlook

    @property
    def _is_designed(self) -> bool:
        """Whether enough is known for a first fit."""
        return len(self._archive) >= self._method.initial_design

    def _plan(self, n: int) -> bool:
        """Plans a round of `n` candidates or more; whether there was anything left to plan."""
        planned = self._unseen.admit(self._find_round(max(n, self.batch, len(self._archive) // _GROWTH)))
        self._planned = np.concatenate([self._planned, planned])
        return len(planned) > 0

    def _find_round(self, n: int) -> Genes:
        """Genes of the `n` new candidates that are predicted to be best, shape (n, d); fewer if fewer are left."""
        surrogate = Surrogate(self._problem, self._learner, self._archive, self._rng, next(self._kappa))
        best = np.concatenate([self._obvious, self._archive.sort_best_first()])
        pool = find_promising(self._unseen, surrogate, best, self._method.inner_evaluations)
        self.outlook, self._unforeseen = None, None
        if len(pool) == 0:
            return pool
        acquisition = surrogate(Population(self.space, pool))
        chosen = choose_first_fronts(min(n, len(pool)), *acquisition)
        if self._archive.is_feasible:
            many = choose_first_fronts(min(len(self._archive), _MOST_FORESEEN, len(pool)), *acquisition)
            self._unforeseen = surrogate, Population(self.space, pool[chosen]), Population(self.space, pool[many])
        return pool[chosen]
