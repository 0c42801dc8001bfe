"""AGE-MOEA: survival by a geometry of the front that is estimated as it is found.

In: a problem and a seed. Out: a searcher.
Source: Panichella, "An adaptive evolutionary algorithm based on non-Euclidean geometry for many-objective
optimization", GECCO 2019.
"""

from __future__ import annotations

from importlib.util import find_spec

from pymoo.algorithms.moo.nsga2 import binary_tournament

from nas.search.genetic import GeneticSearcher
from nas.search.problem import SearchProblem
from nas.search.searcher import POPULATION_SIZE


def age_moea(problem: SearchProblem, seed: int, population_size: int = POPULATION_SIZE) -> GeneticSearcher:
    """A searcher for fronts of any shape, of two or more objectives.

    Raises:
        ValueError: If numba is not installed, which pymoo compiles parts of this algorithm with.
    """
    if find_spec("numba") is None:
        raise ValueError(
            "searcher 'age_moea' needs numba; in the folder of this project: "
            "pip install -c constraints.txt -e '.[age_moea]'"
        )
    from pymoo.algorithms.moo.age import AGEMOEASurvival  # fails without numba

    return GeneticSearcher(
        problem, seed, AGEMOEASurvival(), binary_tournament, "comp_by_rank_and_crowding", population_size
    )
