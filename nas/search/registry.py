"""Names of the searchers.

In: a name, a problem and a seed. Out: a searcher, whose libraries are loaded only then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from nas.objectives import Objective
from nas.search.problem import SearchProblem
from nas.search.searcher import Searcher
from predictors.predictor import Predictor
from predictors.registry import PREDICTORS
from search_spaces.joint_space import JointSpace
from search_spaces.registry import Registry
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class SearcherEntry:
    """Where a searcher is made, and what it can do.

    Attributes:
        module: Holds the maker.
        maker: Name of a function or class of `(problem, seed)`.
        most_objectives: How many objectives it supports; None is any number.
        least_objectives: How many it needs.
        of_leaves: Whether it searches the leaves of a split supernet.
        screens: Whether it is made for screening.
        learns: Whether it fits the predictor of its problem to what it is told.
        foresees: Whether it forecasts what more evaluations would gain.
    """

    module: str
    maker: str
    most_objectives: int | None = None
    least_objectives: int = 1
    of_leaves: bool = False
    screens: bool = False
    learns: bool = False
    foresees: bool = False

    def check(self, name: str, objectives: int) -> None:
        """Raises ValueError unless the searcher supports so many objectives; `name` is what it is called."""
        most, least = self.most_objectives, self.least_objectives
        if objectives < least or (most is not None and objectives > most):
            asked = f"{least} or more objectives" if most is None else f"{least} objective{'s' * (least > 1)} only"
            able = [other for other, entry in SEARCHERS.items() if entry.supports(objectives)]
            raise ValueError(f"searcher {name!r} takes {asked}, got {objectives}; use one of {', '.join(able)}")

    def supports(self, objectives: int) -> bool:
        """Whether it takes so many objectives."""
        return self.least_objectives <= objectives <= (self.most_objectives or objectives)


SEARCHERS: Registry[SearcherEntry] = Registry(
    "searcher",
    {
        "linas": SearcherEntry("nas.search.linas", "LinasSearcher", learns=True, foresees=True),
        "random": SearcherEntry("nas.search.random_search", "RandomSearcher"),
        "evolution": SearcherEntry("nas.search.evolution", "EvolutionSearcher", most_objectives=1),
        "nsga2": SearcherEntry("nas.search.nsga2", "nsga2"),
        "nsga3": SearcherEntry("nas.search.nsga3", "nsga3", least_objectives=2),
        "age_moea": SearcherEntry("nas.search.age_moea", "age_moea", least_objectives=2),
        "frontier": SearcherEntry("nas.search.frontier", "FrontierSearcher"),
        "split": SearcherEntry("nas.search.split", "SplitSearcher", of_leaves=True, learns=True),
        "screened": SearcherEntry("nas.search.screened", "ScreenedLinasSearcher", screens=True, learns=True),
        "optuna_tpe": SearcherEntry("nas.search.optuna_search", "optuna_tpe"),
        "optuna_nsga2": SearcherEntry("nas.search.optuna_search", "optuna_nsga2"),
        "optuna_gp": SearcherEntry("nas.search.optuna_search", "optuna_gp"),
    },
    lambda entry: isinstance(entry, SearcherEntry),
)


def searcher(
    name: str,
    space: JointSpace,
    objectives: Sequence[Objective],
    seed: int,
    leaves: Sequence[Subspace] = (),
    predictor: Callable[[int], Predictor] = PREDICTORS["ensemble"],
) -> Searcher:
    """The searcher of that name.

    Args:
        name: One of `SEARCHERS`.
        space: The joint space.
        objectives: What is optimised.
        seed: Of everything random.
        leaves: The parts of the space that a split supernet serves; empty if it is whole.
        predictor: Makes the predictors of searchers that learn, of a seed.

    Raises:
        ValueError: If the name is unknown, or the searcher does not take so many objectives; the known or fitting ones
            are listed.
    """
    entry = SEARCHERS[name]
    problem = SearchProblem(space, tuple(objectives), tuple(leaves), predictor=predictor)
    entry.check(name, len(problem.minimized))
    if entry.of_leaves and not leaves:
        raise ValueError(f"searcher {name!r} needs a supernet that was split, such as by training.schedule: few_shot")
    return getattr(import_module(entry.module), entry.maker)(problem, seed)
