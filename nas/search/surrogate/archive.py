"""The archive of a search: all outcomes that a searcher was told."""

from __future__ import annotations

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.searcher import check_outcomes
from nas.search.surrogate.ranking import rank_candidates
from results.pareto import non_dominated
from search_spaces.population import Population
from search_spaces.search_space import Genes


class Archive:
    """The n outcomes that a searcher was told, in the order of telling.

    Args:
        problem: The problem of the search.

    Attributes:
        genes: Canonical genes, shape (n, d).
        costs: Costs to be minimised, shape (n, m).
        violations: Sums of excesses over the limits, shape (n,); 0 where all limits are kept.
    """

    def __init__(self, problem: SearchProblem) -> None:
        self._problem = problem
        self.genes: Genes = np.empty((0, len(problem.space.cardinalities)), dtype=np.int16)
        self.costs: FloatArray = np.empty((0, len(problem.objectives)))
        self.violations: FloatArray = np.empty(0)

    def __len__(self) -> int:
        return len(self.genes)

    @property
    def population(self) -> Population:
        """The candidates."""
        return Population(self._problem.space, self.genes)

    @property
    def is_feasible(self) -> bool:
        """Whether any candidate keeps all limits."""
        return bool((self.violations == 0).any())

    def take_first(self, count: int) -> Archive:
        """An archive of the first `count` outcomes only."""
        found = Archive(self._problem)
        found.add(self.population.take(slice(0, count)), self.costs[:count], self.violations[:count])
        return found

    @property
    def front(self) -> FloatArray:
        """Costs of the front, clipped to constraints, shape (k, m).

        It is the front of the feasible candidates, or of all candidates if none is feasible.
        """
        kept = self.violations == 0
        found = self._problem.clip_to_constraints(self.costs[kept] if self.is_feasible else self.costs)
        return found[non_dominated(found)]

    def sort_best_first(self) -> Genes:
        """The genes in the order of their fronts, the best front first, shape (n, d)."""
        return self.genes[
            np.argsort(rank_candidates(self._problem.clip_to_constraints(self.costs), self.violations), kind="stable")
        ]

    def add(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Appends outcomes.

        Args:
            population: The candidates, k of them.
            costs: To be minimised, shape (k, m).
            violations: Shape (k,); 0 where all limits are kept.

        Raises:
            ValueError: If `check_outcomes` refuses them.
        """
        check_outcomes(costs, violations)
        self.genes = np.concatenate([self.genes, population.genes])
        self.costs = np.concatenate([self.costs, costs])
        self.violations = np.concatenate([self.violations, violations])
