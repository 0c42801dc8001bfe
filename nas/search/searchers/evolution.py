"""Regularised evolution: the oldest candidate dies, and the best of a random few has a child.

Source: Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019, algorithm 1.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod, check_count
from nas.search.protocol.searcher import Searcher, check_outcomes
from nas.search.protocol.unseen import UnseenCandidates
from search_spaces.population import Population
from search_spaces.search_space import Genes

_MUTATIONS = 20  # attempts to mutate a parent to an unseen child; after them, a candidate is drawn at random


@dataclass(frozen=True)
class RegularizedEvolution(SearchMethod):
    """Mutation and ageing, for one objective.

    Attributes:
        population_size: Number of living candidates.
        tournament_size: Number of living candidates in each tournament, whose winner has a child.

    Raises:
        ValueError: If the population size is below 1, or the tournament size below 1 or above the population size.
    """

    most_objectives = 1

    population_size: int = 100
    tournament_size: int = 25

    def __post_init__(self) -> None:
        check_count("population_size", self.population_size)
        if not 1 <= self.tournament_size <= self.population_size:
            raise ValueError(
                f"tournament_size must lie in [1, {self.population_size}], the population; got {self.tournament_size}"
            )

    def create(self, problem: SearchProblem, seed: int) -> EvolutionSearcher:
        return EvolutionSearcher(problem, self, seed)


class EvolutionSearcher(Searcher):
    """Mutates one gene of the winner of a tournament among the youngest candidates.

    Args:
        problem: The search problem, with one objective.
        method: The sizes of the population and of a tournament.
        seed: Seed of the first design, the tournaments and the mutations.
    """

    batch = 1

    def __init__(self, problem: SearchProblem, method: RegularizedEvolution, seed: int) -> None:
        self.space = problem.space
        (self._column,) = problem.minimized
        self._rng = np.random.default_rng(seed)
        self._unseen = UnseenCandidates(
            problem.space, self._rng, design=create_first_design(self.space, FIRST_DESIGN, seed)
        )
        self._alive: deque[tuple[float, float, Genes]] = deque(maxlen=method.population_size)
        self._tournament_size = method.tournament_size

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then mutants once a tournament can be held."""
        children = self._unseen.take_designed(n)
        if len(self._alive) >= self._tournament_size:
            found = [child for _ in range(n - len(children)) if len(child := self._mutate_winner())]
            children = np.concatenate([children, *found])
        return Population(self.space, np.concatenate([children, self._unseen.sample(n - len(children))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Adds the candidates to the living ones; the oldest beyond the population size die."""
        check_outcomes(costs, violations)
        self._unseen.admit(population.genes)
        for genes, cost, violation in zip(population.genes, costs[:, self._column], violations, strict=True):
            self._alive.append((float(violation), float(cost), genes))

    def tell_failures(self, population: Population) -> None:
        """Marks the candidates as seen; they never live, so they have no children."""
        self._unseen.admit(population.genes)

    def _mutate_winner(self) -> Genes:
        """An unseen mutant of the winner of a tournament, shape (1, d), or (0, d) if none was found."""
        competitors = self._rng.choice(len(self._alive), self._tournament_size, replace=False)
        parent = min((self._alive[index] for index in competitors), key=lambda one: one[:2])[2]
        mutable = np.flatnonzero(self.space.is_active(parent[None])[0] & (self.space.cardinalities > 1))
        child = np.empty((0, len(parent)), dtype=np.int16)
        for _ in range(_MUTATIONS if len(mutable) else 0):
            mutant = parent.copy()
            gene = self._rng.choice(mutable)
            step = self._rng.integers(1, self.space.cardinalities[gene])
            mutant[gene] = (mutant[gene] + step) % self.space.cardinalities[gene]
            child = self._unseen.admit(self.space.population(mutant).genes)
            if len(child):
                break
        return child
