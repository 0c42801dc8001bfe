"""Random search: the baseline that every other searcher has to beat.

In: nothing it is told. Out: uniform samples without repetition.
"""

from __future__ import annotations

import numpy as np

from nas.objectives import FloatArray
from nas.search.problem import SearchProblem
from nas.search.searcher import Searcher, UnseenCandidates
from search_spaces.joint_space import Population


class RandomSearcher(Searcher):
    """Samples every gene uniformly.

    Args:
        problem: Whose space is sampled.
        seed: Seeds the samples.
    """

    def __init__(self, problem: SearchProblem, seed: int) -> None:
        self.space = problem.space
        self._unseen = UnseenCandidates(problem.space, np.random.default_rng(seed))

    def ask(self, n: int) -> Population:
        """The next `n` candidates, none of them asked before."""
        return Population(self.space, self._unseen.sample(n))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:  # noqa: ARG002
        """Random search learns only what it need not ask."""
        self._unseen.admit(population.genes)
