"""Random search: the baseline that every other searcher has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from nas.search.protocol.searcher import Searcher, check_outcomes
from nas.search.protocol.unseen import UnseenCandidates
from search_spaces.population import Population


@dataclass(frozen=True)
class RandomSearch(SearchMethod):
    """The first design, then uniform samples without repetition."""

    def create(self, problem: SearchProblem, seed: int) -> RandomSearcher:
        return RandomSearcher(problem, seed)


class RandomSearcher(Searcher):
    """Samples every gene uniformly, after the first design.

    Args:
        problem: The search problem, whose space is sampled.
        seed: Seed of the first design and of the samples.
    """

    def __init__(self, problem: SearchProblem, seed: int) -> None:
        self.space = problem.space
        design = create_first_design(problem.space, FIRST_DESIGN, seed)
        self._unseen = UnseenCandidates(problem.space, np.random.default_rng(seed), design=design)

    def ask(self, n: int) -> Population:
        """The next `n` candidates, none of which was asked for or told before."""
        designed = self._unseen.take_designed(n)
        return Population(self.space, np.concatenate([designed, self._unseen.sample(n - len(designed))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Marks the candidates as seen; their costs are not used."""
        check_outcomes(costs, violations)
        self._unseen.admit(population.genes)

    def tell_failures(self, population: Population) -> None:
        """Marks the candidates as seen."""
        self._unseen.admit(population.genes)
