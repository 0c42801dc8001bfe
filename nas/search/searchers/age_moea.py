"""AGE-MOEA: survival by the geometry of the front, which is estimated from the candidates so far.

Source: Panichella, "An adaptive evolutionary algorithm based on non-Euclidean geometry for many-objective
optimization", GECCO 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from pymoo.algorithms.moo.nsga2 import binary_tournament

from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import POPULATION_SIZE, SearchMethod, check_count
from nas.search.searchers.genetic import GeneticSearcher, Selection


@dataclass(frozen=True)
class AGEMOEA(SearchMethod):
    """AGE-MOEA, for two or more objectives and fronts of any shape.

    Attributes:
        population_size: Number of survivors of each `tell`.

    Raises:
        ValueError: If the population size is below 1; raised by `create` if numba is not installed, with which pymoo
            compiles parts of this algorithm.
    """

    least_objectives = 2

    population_size: int = POPULATION_SIZE

    def __post_init__(self) -> None:
        check_count("population_size", self.population_size)

    def create(self, problem: SearchProblem, seed: int) -> GeneticSearcher:
        if find_spec("numba") is None:
            raise ValueError(
                "searcher 'age_moea' needs numba; in the folder of this project: "
                "pip install -c constraints.txt -e '.[agemoea]'"
            )
        from pymoo.algorithms.moo.age import AGEMOEASurvival  # fails without numba

        selection = Selection(AGEMOEASurvival(), binary_tournament, "comp_by_rank_and_crowding")
        return GeneticSearcher(problem, seed, selection, self.population_size)
