"""LINAS: predictors are fitted to all that is measured, and a search on them says what to measure next.

In: costs and violations. Out: the candidates that look best, or that may be. Knows genes only.
Source: Cummings et al., "A hardware-aware framework for accelerating neural architecture search across modalities",
2022 (LINAS); what differs from it is said at `LinasSearcher`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np

from nas.objectives import FloatArray
from nas.search.archive import Archive
from nas.search.first_design import FIRST_DESIGN, first_design, obvious_candidates
from nas.search.fronts import first_fronts
from nas.search.inner_evolution import candidates_of
from nas.search.outlook import GainForecast, Outlook
from nas.search.problem import SearchProblem
from nas.search.searcher import Searcher, UnseenCandidates
from nas.search.surrogate import Surrogate
from search_spaces.population import Population
from search_spaces.search_space import Genes

_GROWTH = 20  # a round is at least such a part of all that was told: later fits take longer, and change less
_OPTIMISM = (0.5, 1.5)  # of the rounds in turn: careful ones serve a whole front, bold ones find what limits hide
_DRAWS = 24  # of the costs, for what going on would bring
_MOST_FORESEEN = 200  # candidates of an outlook: joint draws take cubic time
_FORECAST_STREAM = 0xFC  # of the seed, so that forecasts change no search


class LinasSearcher(Searcher):
    """Rounds of fitting, searching on predictions, and asking for what was found.

    Unlike the publication, it looks exact costs up, hopes for costs below their predictions by the predictors' own
    uncertainty, never asks for what is measured, takes small rounds, and looks at a small space whole. It starts with a
    design that spans the space, and every round looks at what is obvious; its predictors know sizes and shares of
    policies. What is known from elsewhere stands in for the design.

    Args:
        problem: The problem.
        seed: Of everything random.
        initial: Candidates of the first design, before the first round.
        inner_evaluations: Candidates looked at in a round.
        optimism: How many standard deviations a cost is hoped to be below its prediction, in the rounds in turn.
    """

    batch = 10
    foresees = True

    def __init__(
        self,
        problem: SearchProblem,
        seed: int,
        initial: int = FIRST_DESIGN,
        inner_evaluations: int = 20_000,
        optimism: Sequence[float] = _OPTIMISM,
    ) -> None:
        self.space = problem.space
        self._problem, self._seed = problem, seed
        self._initial, self._inner_evaluations, self._optimism = initial, inner_evaluations, cycle(optimism)
        self._rng = np.random.default_rng(seed)
        design = first_design(self.space, initial, seed, problem.part)
        self._unseen = UnseenCandidates(self.space, self._rng, problem.part, design)
        self._obvious = obvious_candidates(self.space, problem.part).genes
        self._told = Archive(problem)
        self._planned = self._told.genes
        self._forecast, self._forecast_rng = GainForecast(self._told), np.random.default_rng([seed, _FORECAST_STREAM])
        self._unforeseen: tuple[Surrogate, Population, Population] | None = None  # the round that is not forecast yet

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then those of the present round, then of a new one."""
        designed = self._unseen.designed(n if len(self._told) < self._initial else 0)
        n -= len(designed)
        while len(self._planned) < n and len(self._told) >= self._initial and self._plan(n - len(self._planned)):
            pass
        asked, self._planned = self._planned[:n], self._planned[n:]
        return Population(self.space, np.concatenate([designed, asked, self._unseen.sample(n - len(asked))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome for the next fit."""
        self._unseen.admit(population.genes)
        told = {genes.tobytes() for genes in population.genes}
        self._planned = self._planned[[genes.tobytes() not in told for genes in self._planned]]
        self._told.add(population, costs, violations)

    def foresee(self, n: int) -> Outlook | None:
        """What as many evaluations again would bring.

        None before the first round, while nothing is feasible, and when nothing is left to ask.
        """
        if len(self._planned) < n and len(self._told) >= self._initial:
            self._plan(n - len(self._planned))
        if self._unforeseen is not None:
            surrogate, *rounds = self._unforeseen
            drawn = [surrogate.draw(population, _DRAWS, self._forecast_rng) for population in rounds]
            self.outlook, self._unforeseen = self._forecast.forecast(*drawn), None
        return self.outlook

    def _plan(self, n: int) -> bool:
        """Plans a round of `n` candidates or more; whether there was anything left to plan."""
        planned = self._unseen.admit(self._round(max(n, self.batch, len(self._told) // _GROWTH)))
        self._planned = np.concatenate([self._planned, planned])
        return len(planned) > 0

    def _round(self, n: int) -> Genes:
        """Genes of the `n` new candidates that look best; fewer if fewer are left."""
        surrogate = Surrogate(self._problem, self._seed, self._told, self._rng, next(self._optimism))
        best = np.concatenate([self._obvious, self._told.best_first()])
        pool = candidates_of(self.space, surrogate, best, self._rng, self._inner_evaluations, self._unseen)
        self.outlook, self._unforeseen = None, None
        if len(pool) == 0:
            return pool
        believed = surrogate(Population(self.space, pool))
        chosen = first_fronts(min(n, len(pool)), *believed)
        if self._told.is_feasible:
            many = first_fronts(min(len(self._told), _MOST_FORESEEN, len(pool)), *believed)
            self._unforeseen = surrogate, Population(self.space, pool[chosen]), Population(self.space, pool[many])
        return pool[chosen]
