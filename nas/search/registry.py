"""The search methods by name; the module and the libraries of a method are loaded when its name is looked up."""

from __future__ import annotations

from collections.abc import Mapping

from nas.options import create_from_options
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from nas.search.protocol.searcher import Searcher
from search_spaces.registry import Located, Registry

_ROOM = "nas.search.searchers"

SEARCHERS: Registry[type[SearchMethod]] = Registry(
    "searcher",
    {
        "linas": Located(f"{_ROOM}.linas", "Linas"),
        "random": Located(f"{_ROOM}.random_search", "RandomSearch"),
        "evolution": Located(f"{_ROOM}.evolution", "RegularizedEvolution"),
        "nsga2": Located(f"{_ROOM}.nsga2", "NSGA2"),
        "nsga3": Located(f"{_ROOM}.nsga3", "NSGA3"),
        "age_moea": Located(f"{_ROOM}.age_moea", "AGEMOEA"),
        "frontier": Located(f"{_ROOM}.frontier", "Frontier"),
        "allocation": Located(f"{_ROOM}.allocation", "Allocation"),
        "few_shot": Located(f"{_ROOM}.few_shot", "FewShot"),
        "multi_fidelity": Located(f"{_ROOM}.multi_fidelity", "MultiFidelity"),
        "optuna_tpe": Located(f"{_ROOM}.optuna_search", "OptunaTPE"),
        "optuna_nsga2": Located(f"{_ROOM}.optuna_search", "OptunaNSGA2"),
        "optuna_gp": Located(f"{_ROOM}.optuna_search", "OptunaGP"),
    },
    lambda entry: isinstance(entry, type) and issubclass(entry, SearchMethod),
)


def read_options(name: str, options: Mapping[str, object]) -> SearchMethod:
    """The search method of that name, with options from a file; a value must have exactly the type of its option.

    Args:
        name: A name in `SEARCHERS`.
        options: Values of some fields of the method, by name.

    Raises:
        ValueError: If the name or an option is unknown, a value has another type than its option, or the method refuses
            the value. The message is one line.
    """
    return create_from_options(SEARCHERS[name], options, f"searcher {name!r}")


def check_objectives(name: str, objectives: int) -> None:
    """Refuses a number of objectives that a searcher does not support, and names the searchers that do.

    Args:
        name: A name in `SEARCHERS`.
        objectives: Number of objectives, constraints not counted.

    Raises:
        ValueError: If the name is unknown, or the searcher takes more or fewer objectives.
    """
    method = SEARCHERS[name]
    if not method.supports(objectives):
        able = [other for other, one in SEARCHERS.items() if one.supports(objectives)]
        raise ValueError(
            f"searcher {name!r} takes {method.describe_objectives()}, got {objectives}; use one of {', '.join(able)}"
        )


def create_searcher(name: str, problem: SearchProblem, seed: int) -> Searcher:
    """A fresh searcher of that name, with its default options.

    Args:
        name: A name in `SEARCHERS`.
        problem: The search problem.
        seed: Seed of all its random choices.

    Raises:
        ValueError: If the name is unknown, or the searcher cannot search the problem.
    """
    check_objectives(name, len(problem.minimized))
    method = SEARCHERS[name]()
    method.check(problem)
    return method.create(problem, seed)
