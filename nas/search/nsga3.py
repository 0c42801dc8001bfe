"""NSGA-III: non-dominated sorting with niches around reference directions.

In: a problem and a seed. Out: a searcher.
Source: Deb and Jain, "An evolutionary many-objective optimization algorithm using reference-point-based nondominated
sorting approach, part I", IEEE TEVC 18(4), 2014.
"""

from __future__ import annotations

from math import comb

from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival, comp_by_cv_then_random
from pymoo.util.ref_dirs import get_reference_directions

from nas.search.genetic import GeneticSearcher
from nas.search.problem import SearchProblem
from nas.search.searcher import POPULATION_SIZE


def nsga3(problem: SearchProblem, seed: int, population_size: int = POPULATION_SIZE) -> GeneticSearcher:
    """A searcher whose survivors are spread over as many directions as the population has room for."""
    objectives = len(problem.minimized)
    partitions = 1  # of the simplex, as fine as the population allows (Das and Dennis, 1998)
    while objectives > 1 and comb(objectives + partitions, objectives - 1) <= population_size:
        partitions += 1
    directions = get_reference_directions("das-dennis", objectives, n_partitions=partitions)
    survival = ReferenceDirectionSurvival(directions)
    return GeneticSearcher(problem, seed, survival, comp_by_cv_then_random, population_size=population_size)
