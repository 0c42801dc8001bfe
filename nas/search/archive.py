"""All that a searcher was told.

In: candidates, costs and violations. Out: the same, together. Knows no searcher.
"""

from __future__ import annotations

import numpy as np

from nas.objectives import FloatArray
from nas.search.fronts import ranks
from nas.search.problem import SearchProblem
from results.pareto import non_dominated
from search_spaces.population import Population
from search_spaces.search_space import Genes


class Archive:
    """Outcomes in the order in which they were told, n of them.

    Attributes:
        genes: Canonical genes, shape (n, d).
        costs: Shape (n, m).
        violations: Shape (n,).
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
        """Whether anything that was told keeps all limits."""
        return bool((self.violations == 0).any())

    def first(self, count: int) -> Archive:
        """The first outcomes alone."""
        found = Archive(self._problem)
        found.add(self.population.take(slice(0, count)), self.costs[:count], self.violations[:count])
        return found

    @property
    def front(self) -> FloatArray:
        """Costs of the front as they compare, shape (k, m): of what keeps the limits, or, if nothing does, of all."""
        kept = self.violations == 0
        found = self._problem.compared(self.costs[kept] if self.is_feasible else self.costs)
        return found[non_dominated(found)]

    def best_first(self) -> Genes:
        """The genes, front after front."""
        return self.genes[np.argsort(ranks(self._problem.compared(self.costs), self.violations), kind="stable")]

    def add(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Appends outcomes."""
        self.genes = np.concatenate([self.genes, population.genes])
        self.costs = np.concatenate([self.costs, costs])
        self.violations = np.concatenate([self.violations, violations])
