"""NSGA-III: non-dominated sorting with niches around reference directions.

Source: Deb and Jain, "An evolutionary many-objective optimization algorithm using reference-point-based nondominated
sorting approach, part I", IEEE TEVC 18(4), 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival, comp_by_cv_then_random
from pymoo.util.ref_dirs import get_reference_directions

from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import POPULATION_SIZE, SearchMethod, check_count
from nas.search.searchers.genetic import GeneticSearcher, Selection


@dataclass(frozen=True)
class NSGA3(SearchMethod):
    """NSGA-III, for two or more objectives, with as many reference directions as the population has room for.

    Attributes:
        population_size: Number of survivors of each `tell`.

    Raises:
        ValueError: If the population size is below 1.
    """

    least_objectives = 2

    population_size: int = POPULATION_SIZE

    def __post_init__(self) -> None:
        check_count("population_size", self.population_size)

    def create(self, problem: SearchProblem, seed: int) -> GeneticSearcher:
        objectives = len(problem.minimized)
        # partitions of each edge of the simplex: as many as the population allows (Das and Dennis, 1998)
        partitions = 1
        while comb(objectives + partitions, objectives - 1) <= self.population_size:
            partitions += 1
        directions = get_reference_directions("das-dennis", objectives, n_partitions=partitions)
        selection = Selection(ReferenceDirectionSurvival(directions), comp_by_cv_then_random)
        return GeneticSearcher(problem, seed, selection, self.population_size)
