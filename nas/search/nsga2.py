"""NSGA-II: elitist non-dominated sorting with crowding distance.

In: a problem and a seed. Out: a searcher.
Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEVC 6(2), 2002.
"""

from __future__ import annotations

from pymoo.algorithms.moo.nsga2 import binary_tournament
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from nas.search.genetic import GeneticSearcher
from nas.search.problem import SearchProblem
from nas.search.searcher import POPULATION_SIZE


def nsga2(problem: SearchProblem, seed: int, population_size: int = POPULATION_SIZE) -> GeneticSearcher:
    """A searcher of any number of objectives; beyond three, `nsga3` and `age_moea` spread better."""
    return GeneticSearcher(
        problem, seed, RankAndCrowding(), binary_tournament, "comp_by_dom_and_crowding", population_size
    )
