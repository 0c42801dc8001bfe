"""Search over a supernet that was split by gradient matching: the leaf first, then within the leaf.

In: costs and violations. Out: candidates of the leaves that are still in the race. Knows genes only.
Source: Hu et al., "Generalizing few-shot NAS with gradient matching", ICLR 2022; that leaf winners compete is theirs,
how leaves leave the race is said at `SplitSearcher`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nas.objectives import FloatArray
from nas.search.archive import Archive
from nas.search.first_design import FIRST_DESIGN
from nas.search.linas import LinasSearcher
from nas.search.outlook import volume_reference
from nas.search.problem import SearchProblem
from nas.search.searcher import Searcher
from results.pareto import hypervolume
from search_spaces.population import Population

_TOLD_PER_LEAF = 15  # between two cuts


class SplitSearcher(Searcher):
    """Searches every leaf by LINAS, and drops leaves that do not add to the common front.

    The searches of the leaves learn from one another. After so many outcomes per leaf, the leaves are ranked by the
    hypervolume that would be lost without them; the worse half leaves the race, unless it adds something.

    Args:
        problem: With the leaves of the supernet.
        seed: Of everything random.
    """

    batch = 10

    def __init__(self, problem: SearchProblem, seed: int) -> None:
        self.space = problem.space
        self._problem = problem
        self._leaves = problem.leaves
        initial = -(-FIRST_DESIGN // len(problem.leaves))  # the leaves share the first design's size
        self._inner = [
            LinasSearcher(replace(problem, leaves=(), part=leaf), seed + number, initial)
            for number, leaf in enumerate(problem.leaves)
        ]
        self._racing = list(range(len(problem.leaves)))
        self._next = self._since_cut = 0
        self._told = Archive(problem)

    def ask(self, n: int) -> Population:
        """The next `n` candidates, from one racing leaf after the other; from the others once these are exhausted."""
        asked = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        empty: set[int] = set()
        while len(asked) < n and len(empty) < len(self._inner):
            racing = [leaf for leaf in self._racing if leaf not in empty]
            leaves = racing or [leaf for leaf in range(len(self._inner)) if leaf not in empty]
            leaf = leaves[self._next % len(leaves)]
            self._next += 1
            one = self._inner[leaf].ask(1).genes
            if len(one) == 0:
                empty.add(leaf)
            asked = np.concatenate([asked, one])
        return Population(self.space, asked)

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Lets all leaves learn, and drops some when it is time."""
        for inner in self._inner:
            inner.tell(population, costs, violations)
        self._told.add(population, costs, violations)
        self._since_cut += len(population)
        if self._since_cut >= _TOLD_PER_LEAF * len(self._racing) and len(self._racing) > 1:
            self._cut()

    def _cut(self) -> None:
        """Ends the race of up to half of the leaves."""
        self._since_cut = 0
        kept = self._told.violations == 0
        if not kept.any():
            return
        costs = self._problem.compared(self._told.costs[kept])
        leaf_of = np.array([leaf.contains(self._told.population.take(kept)) for leaf in self._leaves]).argmax(axis=0)
        corner = volume_reference(costs)
        total = hypervolume(costs, corner)
        added = {leaf: total - _volume(costs[leaf_of != leaf], corner) for leaf in self._racing}
        ranked = sorted(self._racing, key=lambda leaf: -added[leaf])
        half = -(-len(ranked) // 2)
        self._racing = sorted(ranked[:half] + [leaf for leaf in ranked[half:] if added[leaf] > 0])


def _volume(costs: FloatArray, corner: FloatArray) -> float:
    return hypervolume(costs, corner) if len(costs) else 0.0
