"""NSGA-II: elitist non-dominated sorting with crowding distance.

Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEVC 6(2), 2002.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymoo.algorithms.moo.nsga2 import binary_tournament
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import POPULATION_SIZE, SearchMethod, check_count
from nas.search.searchers.genetic import GeneticSearcher, Selection


@dataclass(frozen=True)
class NSGA2(SearchMethod):
    """NSGA-II, for any number of objectives; beyond three, NSGA-III and AGE-MOEA spread candidates better.

    Attributes:
        population_size: Number of survivors of each `tell`.

    Raises:
        ValueError: If the population size is below 1.
    """

    population_size: int = POPULATION_SIZE

    def __post_init__(self) -> None:
        check_count("population_size", self.population_size)

    def create(self, problem: SearchProblem, seed: int) -> GeneticSearcher:
        selection = Selection(RankAndCrowding(), binary_tournament, "comp_by_dom_and_crowding")
        return GeneticSearcher(problem, seed, selection, self.population_size)
