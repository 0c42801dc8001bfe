"""Pareto local search: asks for neighbours of the front, candidates that differ from one of it in one gene.

Source: Paquete, Chiarandini and Stützle, "Pareto local optimum sets in the biobjective traveling salesman problem",
2004; here with restarts at random candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from nas.search.protocol.searcher import Searcher
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.archive import Archive
from search_spaces.population import Population


@dataclass(frozen=True)
class ParetoLocalSearch(SearchMethod):
    """The search method: neighbours of the front, and some random candidates.

    Attributes:
        restart: Share of the candidates that are random, from 0 to 1.

    Raises:
        ValueError: If `restart` is not from 0 to 1.
    """

    restart: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.restart <= 1:
            raise ValueError(f"restart must be a share from 0 to 1, got {self.restart}")

    def create(self, problem: SearchProblem, seed: int) -> ParetoLocalSearcher:
        """A fresh searcher."""
        return ParetoLocalSearcher(problem, self.restart, seed)


class ParetoLocalSearcher(Searcher):
    """Changes one gene of a random candidate of the front.

    Args:
        problem: The search problem.
        restart: Share of the candidates that are random, from 0 to 1.
        seed: Seed of the first design and of all random choices.
    """

    batch = 10  # candidates asked for together: few, so that their neighbours are soon known

    def __init__(self, problem: SearchProblem, restart: float, seed: int) -> None:
        self.space, self._restart = problem.space, restart
        self._rng, self._archive = np.random.default_rng(seed), Archive(problem)
        design = create_first_design(self.space, FIRST_DESIGN, seed)
        self._unseen = UnseenCandidates(self.space, self._rng, design=design)

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then new neighbours of the front, then random ones."""
        chosen = self._unseen.take_designed(n)
        missing = n - len(chosen)
        if missing and len(self._archive):
            chosen = np.concatenate([chosen, self._unseen.admit(self._neighbours(missing))])
        return Population(self.space, np.concatenate([chosen, self._unseen.sample(n - len(chosen))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Adds the candidates and their costs to the archive."""
        self._unseen.admit(population.genes)
        self._archive.add(population, costs, violations)

    def _neighbours(self, n: int) -> np.ndarray:
        """Up to `n` candidates that differ from the best ones in one gene, shape (k, d)."""
        best = self._archive.sort_best_first()[: len(self._archive.front)]
        parents = best[self._rng.integers(0, len(best), size=int((self._rng.random(n) >= self._restart).sum()))].copy()
        for parent in parents:
            active = np.flatnonzero(self.space.is_active(parent[None])[0])
            gene = self._rng.choice(active)
            parent[gene] = self._rng.integers(0, self.space.cardinalities[gene])
        return self.space.population(parents).genes
