"""NSGA-II, from pymoo's operators, behind ask and tell.

In: costs and violations. Out: children of the best candidates so far. Knows genes only.
Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEVC 6(2), 2002.
"""

from __future__ import annotations

import numpy as np
from pymoo.algorithms.moo.nsga2 import binary_tournament
from pymoo.core.individual import Individual
from pymoo.core.population import Population as PymooPopulation
from pymoo.core.problem import Problem
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from nas.objectives import FloatArray
from nas.search.searcher import Searcher, UnseenCandidates
from search_spaces.joint_space import JointSpace, Population
from search_spaces.space import Genes

_FIRST_PARENTS = 20  # told candidates before the first children; a first ask for more makes a larger random start
_MATING_ROUNDS = 10  # rounds of mating before new candidates are drawn at random


class NSGA2Searcher(Searcher):
    """Elitist non-dominated sorting with crowding, uniform crossover and random-reset mutation.

    Args:
        space: The joint space.
        seed: Seeds the first population and the operators.
        population_size: Survivors of each tell.
        mutated_genes: Expected number of active genes that mutate in a child.
    """

    tournament_type = "comp_by_dom_and_crowding"  # read by pymoo's tournament

    def __init__(self, space: JointSpace, seed: int, population_size: int = 100, mutated_genes: float = 2.0) -> None:
        self.space = space
        self.population_size = population_size
        self.mutated_genes = mutated_genes
        self.random_state = np.random.default_rng(seed)  # this name is read by pymoo's tournament
        self._unseen = UnseenCandidates(space, self.random_state)
        self._problem = Problem(n_var=len(space.cardinalities), n_obj=1, n_ieq_constr=1, xl=0, xu=space.cardinalities)
        self._parents = PymooPopulation.create()
        self._selection = TournamentSelection(func_comp=binary_tournament)
        self._crossover = UniformCrossover(prob=0.9)
        self._survival = RankAndCrowding()

    def ask(self, n: int) -> Population:
        """The next `n` candidates: random ones first, then children of the survivors."""
        children = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        if len(self._parents) >= min(self.population_size, _FIRST_PARENTS):
            for _ in range(_MATING_ROUNDS):
                if len(children) == n:
                    break
                mated = self._unseen.admit(self._mate(n - len(children)))
                children = np.concatenate([children, mated])
        return Population(self.space, np.concatenate([children, self._unseen.sample(n - len(children))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Merges the outcome with the survivors so far and keeps the best `population_size`."""
        told = [
            Individual(X=genes, F=cost, G=np.array([violation]), evaluated={"F", "G"})
            for genes, cost, violation in zip(self._with_silent_genes(population.genes), costs, violations, strict=True)
        ]
        merged = PymooPopulation.merge(self._parents, PymooPopulation.create(*told))
        self._parents = self._survival.do(
            self._problem, merged, n_survive=self.population_size, random_state=self.random_state
        )

    def _with_silent_genes(self, genes: Genes) -> Genes:
        """Genes with random values in inactive places, which a child may inherit and activate."""
        fresh = self.random_state.integers(0, self.space.cardinalities, size=genes.shape)
        return np.where(self.space.active(genes), genes, fresh).astype(np.int16)

    def _mate(self, n: int) -> Genes:
        """`n` canonical children, of which some may have been seen."""
        pairs = self._selection(
            self._problem, self._parents, -(-n // 2), 2, random_state=self.random_state, algorithm=self
        )
        crossed = self._crossover(self._problem, pairs, random_state=self.random_state)
        genes = np.array(crossed.get("X"))[:n].astype(np.int16)
        active = self.space.active(genes)
        rate = self.mutated_genes / np.maximum(active.sum(1, keepdims=True), 1)
        mutated = active & (self.random_state.random(genes.shape) < rate)
        fresh = self.random_state.integers(0, self.space.cardinalities, size=genes.shape)
        return self.space.population(np.where(mutated, fresh, genes)).genes
