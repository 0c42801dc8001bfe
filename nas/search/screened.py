"""LINAS in two steps: it says what to screen, and asks for the most promising of what was screened.

In: costs of two fidelities, and violations. Out: candidates to screen, and to evaluate. Knows genes only.
Source: LINAS as in `nas.search.linas`; that the cheap costs are features of the predictors of the full ones is the
recursive scheme of Le Gratiet and Garnier, "Recursive co-kriging model for design of computer experiments with multiple
levels of fidelity", 2014.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nas.objectives import FloatArray, Objective
from nas.search.archive import Archive
from nas.search.first_design import FIRST_DESIGN, first_design, obvious_candidates
from nas.search.fronts import first_fronts
from nas.search.glance import Glance
from nas.search.inner_evolution import Believe, candidates_of
from nas.search.problem import SearchProblem
from nas.search.screening import ScreeningSearcher
from nas.search.searcher import UnseenCandidates
from nas.search.surrogate import Surrogate, searched_features
from search_spaces.population import Population
from search_spaces.search_space import Genes

_WEIGHT = 5.0  # of a cheap cost among features: it tells more than the value of a gene
_FEWEST_TOLD = 8  # full evaluations from which their costs are predicted


class ScreenedLinasSearcher(ScreeningSearcher):
    """Screens what looks best, and evaluates the best of that.

    Costs that came out of the evaluation as they came out of the screening, such as latencies, count as known.

    Args:
        problem: The problem.
        seed: Of everything random.
        inner_evaluations: Candidates whose costs are predicted for a screening.
        optimism: How many standard deviations a cost is hoped to be below its prediction.
    """

    batch = 8

    def __init__(
        self, problem: SearchProblem, seed: int, inner_evaluations: int = 20_000, optimism: float = 1.0
    ) -> None:
        self.space = problem.space
        self._problem, self._seed = problem, seed
        self._inner_evaluations, self._optimism = inner_evaluations, optimism
        self._rng = np.random.default_rng(seed)
        design = first_design(self.space, FIRST_DESIGN, seed, problem.part)
        self._unseen = UnseenCandidates(self.space, self._rng, problem.part, design)  # neither screened nor asked
        self._obvious = obvious_candidates(self.space, problem.part).genes
        self._screened, self._told = Archive(problem), Archive(problem)
        self._waiting = self._screened.genes  # screened, and not asked
        self._asked: set[bytes] = set()  # or told
        self._glance: Glance | None = None  # of all that is screened

    def screen(self, n: int) -> Population:
        """The first design and random candidates until enough is told, then those that look best."""
        chosen = self._unseen.designed(n)
        if len(chosen) < n and len(self._told) >= _FEWEST_TOLD and len(self._screened) > 1:
            believe = self._believe()
            best = np.concatenate([self._obvious, self._told.best_first()])
            pool = candidates_of(self.space, believe, best, self._rng, self._inner_evaluations, self._unseen)
            if len(pool):
                found = pool[first_fronts(n - len(chosen), *believe(Population(self.space, pool)))]
                chosen = np.concatenate([chosen, self._unseen.admit(found)])
        return Population(self.space, np.concatenate([chosen, self._unseen.sample(n - len(chosen))]))

    def tell_screened(self, population: Population, costs: FloatArray) -> None:
        """Keeps the outcome; the candidates wait to be asked for."""
        self._unseen.admit(population.genes)
        self._screened.add(population, costs, np.zeros(len(costs)))
        self._glance = None
        new = [vector.tobytes() not in self._asked for vector in population.genes]
        self._waiting = np.concatenate([self._waiting, population.genes[new]])

    def ask(self, n: int) -> Population:
        """The most promising that were screened; random ones where there are no more."""
        chosen = self._waiting
        if len(chosen) > n:
            waiting = Population(self.space, chosen)
            chosen = chosen[np.sort(first_fronts(n, *self._believe()(waiting)))]
        asked = np.concatenate([chosen, self._unseen.sample(n - len(chosen))])
        self._forget(asked)
        return Population(self.space, asked)

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome for the next fit."""
        self._unseen.admit(population.genes)
        self._forget(population.genes)
        self._told.add(population, costs, violations)

    def _forget(self, genes: Genes) -> None:
        """These wait no more, and never will."""
        self._asked |= {vector.tobytes() for vector in genes}
        self._waiting = self._waiting[[vector.tobytes() not in self._asked for vector in self._waiting]]

    def _believe(self) -> Believe:
        """Optimistic costs and violations of any candidates, by all that is known."""
        if self._glance is None:
            self._glance = Glance(self._problem, self._seed, self._screened, self._rng)
        glance, early = self._glance, len(self._told) < _FEWEST_TOLD
        told = self._screened if early else self._told
        same = np.ones(len(self._problem.objectives), dtype=bool) if early else glance.same(told)
        objectives = tuple(
            _by_glance(objective, glance, column) if same[column] and not objective.exact else objective
            for column, objective in enumerate(self._problem.objectives)
        )

        def features(population: Population) -> FloatArray:
            cheap = _WEIGHT * glance.warped(population)[:, ~same]
            return np.concatenate([searched_features(population), cheap], axis=1)

        problem = replace(self._problem, objectives=objectives)
        return Surrogate(problem, self._seed, told, self._rng, self._optimism, features)


def _by_glance(objective: Objective, glance: Glance, column: int) -> Objective:
    """The objective as the screening tells it."""

    def values(population: Population) -> FloatArray:
        return objective.metric.costs(glance.costs(population)[:, column])  # the sign flips back

    return replace(objective, evaluate=values, exact=True)
