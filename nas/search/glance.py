"""What the screening of candidates tells about any candidate.

In: screened candidates and their cheap costs. Out: cheap costs of others, looked up or predicted. Knows no searcher.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nas.objectives import FloatArray
from nas.search.archive import Archive
from nas.search.problem import SearchProblem
from nas.search.surrogate import Surrogate
from search_spaces.population import Population
from search_spaces.search_space import BoolArray


class Glance:
    """The cheap costs of candidates, known where they were screened.

    Args:
        problem: The problem.
        seed: Of the predictors.
        screened: Candidates, at least 2, and their cheap costs.
        rng: Draws the rows that are fitted, where there are too many.
    """

    def __init__(self, problem: SearchProblem, seed: int, screened: Archive, rng: np.random.Generator) -> None:
        raw = replace(problem, objectives=tuple(replace(one, constraint=False) for one in problem.objectives))
        self._surrogate = Surrogate(raw, seed, screened, rng, optimism=0.0)
        self._screened = screened
        self._row_of = {genes.tobytes(): row for row, genes in enumerate(screened.genes)}

    def warped(self, population: Population) -> FloatArray:
        """Costs on the scale of the surrogate's warps, shape (n, m)."""
        rows = self._rows(population)
        known = zip(self._surrogate.warps, self._screened.costs[rows].T, strict=True)
        found = np.column_stack([warp.forward(column) for warp, column in known])
        if (rows < 0).any():
            found[rows < 0] = self._surrogate(population.take(rows < 0))[0]
        return found

    def costs(self, population: Population) -> FloatArray:
        """Costs, shape (n, m)."""
        columns = zip(self._surrogate.warps, self.warped(population).T, strict=True)
        return np.column_stack([warp.backward(column) for warp, column in columns])

    def same(self, told: Archive) -> BoolArray:
        """Of every cost, whether full evaluations gave what the screening had given; shape (m,)."""
        rows = self._rows(told.population)
        both = rows >= 0
        if not both.any():
            return np.zeros(told.costs.shape[1], dtype=bool)
        equal: BoolArray = (self._screened.costs[rows[both]] == told.costs[both]).all(axis=0)
        return equal

    def _rows(self, population: Population) -> NDArray[np.int64]:
        """Where candidates stand among the screened ones, shape (n,); -1 where they do not."""
        return np.array([self._row_of.get(genes.tobytes(), -1) for genes in population.genes], dtype=np.int64)
