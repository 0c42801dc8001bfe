"""Names of the searchers.

In: a name, a space and a seed. Out: a searcher.
"""

from __future__ import annotations

from collections.abc import Callable

from nas.search.searcher import Searcher
from search_spaces.joint_space import JointSpace


def _random(space: JointSpace, seed: int) -> Searcher:
    from nas.search.random_search import RandomSearcher

    return RandomSearcher(space, seed)


def _nsga2(space: JointSpace, seed: int) -> Searcher:
    from nas.search.nsga2 import NSGA2Searcher

    return NSGA2Searcher(space, seed)


SEARCHERS: dict[str, Callable[[JointSpace, int], Searcher]] = {"random": _random, "nsga2": _nsga2}


def searcher(name: str, space: JointSpace, seed: int) -> Searcher:
    """The searcher of that name.

    Raises:
        ValueError: If the name is unknown; the known ones are listed.
    """
    if name not in SEARCHERS:
        raise ValueError(f"unknown searcher {name!r}; known searchers: {', '.join(SEARCHERS)}")
    return SEARCHERS[name](space, seed)
