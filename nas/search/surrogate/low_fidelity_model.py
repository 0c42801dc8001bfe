"""The costs of any candidate at a low fidelity: looked up if it was evaluated at that fidelity, else predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nas.objectives import FloatArray
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.surrogate import Learner, Surrogate
from search_spaces.population import Population
from search_spaces.search_space import BoolArray


class LowFidelityModel:
    """The costs of candidates at a low fidelity: known if they were evaluated at that fidelity, else predicted.

    Args:
        problem: The search problem.
        learner: How costs are learnt.
        archive: Two candidates or more, and their costs at the low fidelity; not changed while the model is used.
        rng: Draws the outcomes to fit to, if there are too many.
    """

    def __init__(self, problem: SearchProblem, learner: Learner, archive: Archive, rng: np.random.Generator) -> None:
        # a constraint clips costs at its limit, and clipped costs tell less about the full ones
        unclipped = replace(problem, objectives=tuple(replace(one, constraint=False) for one in problem.objectives))
        self._surrogate = Surrogate(unclipped, learner, archive, rng, kappa=0.0)
        self._archive = archive
        self._row_of = {genes.tobytes(): row for row, genes in enumerate(archive.genes)}

    def predict_warped(self, population: Population) -> FloatArray:
        """Low-fidelity costs of candidates on the warped scale of the surrogate, shape (n, m)."""
        rows = self._find_rows(population)
        known = zip(self._surrogate.warps, self._archive.costs[rows].T, strict=True)
        found = np.column_stack([warp.forward(column) for warp, column in known])
        if (rows < 0).any():
            found[rows < 0] = self._surrogate(population.take(rows < 0))[0]
        return found

    def predict(self, population: Population) -> FloatArray:
        """Low-fidelity costs of candidates, shape (n, m)."""
        columns = zip(self._surrogate.warps, self.predict_warped(population).T, strict=True)
        return np.column_stack([warp.backward(column) for warp, column in columns])

    def are_exact(self, full: Archive) -> BoolArray:
        """Which costs are the same at both fidelities for every candidate that was evaluated at both.

        Args:
            full: Candidates and their costs at full fidelity.

        Returns:
            A mask of shape (m,); all False if no candidate was evaluated at both.
        """
        rows = self._find_rows(full.population)
        both = rows >= 0
        if not both.any():
            return np.zeros(full.costs.shape[1], dtype=bool)
        equal: BoolArray = (self._archive.costs[rows[both]] == full.costs[both]).all(axis=0)
        return equal

    def _find_rows(self, population: Population) -> NDArray[np.int64]:
        """Row of each candidate in the archive, shape (n,); -1 for one that is not there."""
        return np.array([self._row_of.get(genes.tobytes(), -1) for genes in population.genes], dtype=np.int64)
