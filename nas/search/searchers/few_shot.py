"""Few-shot search, over a supernet that was split into leaves: a search in every leaf, and a race between the leaves.

Source: Hu et al., "Generalizing few-shot NAS with gradient matching", ICLR 2022, from which it takes that the best of
all leaves compete. How leaves leave the race is this project's own; see `FewShotSearcher`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.first_design import FIRST_DESIGN
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from nas.search.protocol.searcher import Searcher
from nas.search.searchers.linas import Linas
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.gain_forecast import find_volume_reference
from predictors.registry import DEFAULT_PREDICTOR, PREDICTORS
from results.pareto import hypervolume
from search_spaces.population import Population

_OUTCOMES_PER_LEAF = 15  # outcomes per racing leaf after which some leaves leave the race


@dataclass(frozen=True)
class FewShot(SearchMethod):
    """LINAS in every leaf of a few-shot supernet, and a race between the leaves.

    Attributes:
        predictor: Name of the predictor of costs that are not exact; see `predictors.registry`.

    Raises:
        ValueError: If the predictor is unknown.
    """

    needs_leaves = True

    predictor: str = DEFAULT_PREDICTOR

    def __post_init__(self) -> None:
        PREDICTORS.check_name(self.predictor)

    def create(self, problem: SearchProblem, seed: int) -> FewShotSearcher:
        return FewShotSearcher(problem, self, seed)


class FewShotSearcher(Searcher):
    """Searches every leaf by LINAS, and drops leaves that do not add to the common front.

    The search of each leaf is told the outcomes of all. After 15 outcomes per racing leaf, the leaves are ranked by the
    hypervolume that would be lost without them. Those of the worse half that add no hypervolume leave the race. Leaves
    out of the race are searched again when the racing ones have no unseen candidates left.

    Args:
        problem: The search problem, with the leaves of the supernet.
        method: The options.
        seed: Seed of all random choices.
    """

    batch = 10

    def __init__(self, problem: SearchProblem, method: FewShot, seed: int) -> None:
        self.space = problem.space
        self._problem = problem
        self._leaves = problem.leaves
        initial = -(-FIRST_DESIGN // len(problem.leaves))  # the leaves share the first design's size
        linas = Linas(method.predictor, initial)
        self._inner = [
            linas.create(replace(problem, leaves=(), subspace=leaf), seed + number)
            for number, leaf in enumerate(problem.leaves)
        ]
        self._racing = list(range(len(problem.leaves)))
        self._next = self._since_cut = 0
        self._archive = Archive(problem)

    def ask(self, n: int) -> Population:
        """The next `n` candidates, from the racing leaves in turn; from the other leaves once these are exhausted."""
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
        """Tells the searches of all leaves, and drops leaves when there are enough new outcomes."""
        for inner in self._inner:
            inner.tell(population, costs, violations)
        self._archive.add(population, costs, violations)
        self._since_cut += len(population)
        if self._since_cut >= _OUTCOMES_PER_LEAF * len(self._racing) and len(self._racing) > 1:
            self._cut()

    def tell_failures(self, population: Population) -> None:
        """Tells the searches of all leaves."""
        for inner in self._inner:
            inner.tell_failures(population)

    def _cut(self) -> None:
        """Ends the race for those leaves of the worse half that add no hypervolume to the front."""
        self._since_cut = 0
        kept = self._archive.violations == 0
        if not kept.any():
            return
        costs = self._problem.clip_to_constraints(self._archive.costs[kept])
        feasible = self._archive.population.take(kept)
        leaf_of = np.array([leaf.contains(feasible) for leaf in self._leaves]).argmax(axis=0)
        reference = find_volume_reference(costs)
        total = hypervolume(costs, reference)
        added = {leaf: total - _measure_volume(costs[leaf_of != leaf], reference) for leaf in self._racing}
        ranked = sorted(self._racing, key=lambda leaf: -added[leaf])
        half = -(-len(ranked) // 2)
        self._racing = sorted(ranked[:half] + [leaf for leaf in ranked[half:] if added[leaf] > 0])


def _measure_volume(costs: FloatArray, reference: FloatArray) -> float:
    return hypervolume(costs, reference) if len(costs) else 0.0
