"""Genetic search behind ask and tell, from pymoo's operators; the selection of survivors is an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymoo.core.individual import Individual
from pymoo.core.population import Population as PymooPopulation
from pymoo.core.problem import Problem
from pymoo.core.survival import Survival
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.selection.tournament import TournamentSelection

from nas.objectives import FloatArray
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import POPULATION_SIZE
from nas.search.protocol.searcher import Searcher, check_outcomes
from nas.search.protocol.unseen import UnseenCandidates
from search_spaces.population import Population
from search_spaces.search_space import Genes

_FIRST_PARENTS = 20  # survivors that are enough for the first children, if the population is larger
_MATING_ROUNDS = 10  # rounds of mating before new candidates are drawn at random
_MUTATED_GENES = 2.0  # expected number of active genes that mutate in a child


@dataclass(frozen=True)
class Selection:
    """Which candidates survive a `tell` and which mate, in the terms of pymoo.

    Attributes:
        survival: Selects the survivors.
        tournament: Returns the winners of pairs of parents.
        tournament_type: How pymoo's `binary_tournament` compares feasible parents; unused by other tournaments.
    """

    survival: Survival
    tournament: Callable[..., NDArray[np.int64]]
    tournament_type: str = ""


class GeneticSearcher(Searcher):
    """Uniform crossover and random-reset mutation of parents that are chosen in tournaments of two.

    Args:
        problem: The search problem.
        seed: Seed of the first design and the operators.
        selection: Selects the survivors and the parents.
        population_size: Number of survivors of each `tell`.
    """

    batch = 20

    def __init__(
        self, problem: SearchProblem, seed: int, selection: Selection, population_size: int = POPULATION_SIZE
    ) -> None:
        space = problem.space
        self.space, self._minimized = space, problem.minimized
        self.population_size = population_size
        self.random_state = np.random.default_rng(seed)  # pymoo's tournament reads this attribute and the next one
        self.tournament_type = selection.tournament_type
        self._unseen = UnseenCandidates(space, self.random_state, design=create_first_design(space, FIRST_DESIGN, seed))
        # pymoo's operators read the bounds of the genes; costs and violations come with each individual
        self._problem = Problem(n_var=len(space.cardinalities), n_obj=1, n_ieq_constr=1, xl=0, xu=space.cardinalities)
        self._parents = PymooPopulation.create()
        self._selection = TournamentSelection(func_comp=selection.tournament)
        self._crossover = UniformCrossover(prob=0.9)
        self._survival = selection.survival

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then children of the survivors."""
        children = self._unseen.take_designed(n)
        if len(self._parents) >= min(self.population_size, _FIRST_PARENTS):
            for _ in range(_MATING_ROUNDS):
                if len(children) == n:
                    break
                mated = self._unseen.admit(self._mate(n - len(children)))
                children = np.concatenate([children, mated])
        return Population(self.space, np.concatenate([children, self._unseen.sample(n - len(children))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Merges the new candidates with the survivors so far, and keeps the best `population_size` of them."""
        check_outcomes(costs, violations)
        self._unseen.admit(population.genes)
        individuals = [
            Individual(X=genes, F=cost, G=np.array([violation]), evaluated={"F", "G"})
            for genes, cost, violation in zip(
                self._fill_inactive_genes(population.genes), costs[:, self._minimized], violations, strict=True
            )
        ]
        merged = PymooPopulation.merge(self._parents, PymooPopulation.create(*individuals))
        self._parents = self._survival.do(
            self._problem, merged, n_survive=self.population_size, random_state=self.random_state
        )

    def tell_failures(self, population: Population) -> None:
        """Marks the candidates as seen; none of them survives."""
        self._unseen.admit(population.genes)

    def _fill_inactive_genes(self, genes: Genes) -> Genes:
        """Replaces inactive genes by random values, as a child may inherit and activate them."""
        fresh = self.random_state.integers(0, self.space.cardinalities, size=genes.shape)
        return np.where(self.space.is_active(genes), genes, fresh).astype(np.int16)

    def _mate(self, n: int) -> Genes:
        """Canonical genes of `n` children, shape (n, d), some of which may have been seen."""
        pairs = self._selection(
            self._problem, self._parents, -(-n // 2), 2, random_state=self.random_state, algorithm=self
        )
        crossed = self._crossover(self._problem, pairs, random_state=self.random_state)
        genes = np.array(crossed.get("X"))[:n].astype(np.int16)
        active = self.space.is_active(genes)
        rate = _MUTATED_GENES / np.maximum(active.sum(1, keepdims=True), 1)
        mutated = active & (self.random_state.random(genes.shape) < rate)
        fresh = self.random_state.integers(0, self.space.cardinalities, size=genes.shape)
        return self.space.population(np.where(mutated, fresh, genes)).genes
