"""Populations: candidates of a joint space as genes, the currency of search.

Independent of what the genes mean: the space knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search_spaces.additive_cost import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.space import Genes

if TYPE_CHECKING:
    from search_spaces.joint_space import JointSpace


@dataclass(frozen=True)
class Population:
    """Candidates as canonical genes of shape (n, d)."""

    space: JointSpace
    genes: Genes

    def __len__(self) -> int:
        return len(self.genes)

    def __getitem__(self, index: int) -> Candidate:
        return self.space.decode(self.genes[index][None])[0]

    def candidates(self) -> list[Candidate]:
        """All of them; faster than one by one."""
        return self.space.decode(self.genes)

    def take(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Population:
        """The candidates of a slice, at row numbers, or under a mask."""
        return Population(self.space, self.genes[rows])

    def unique(self) -> Population:
        """The distinct candidates, in order of first appearance."""
        return self.take(np.sort(np.unique(self.genes, axis=0, return_index=True)[1]))

    def one_hot(self) -> FloatArray:
        """One-hot code of every gene, shape (n, sum of cardinalities); an inactive gene is all zeros."""
        cardinalities = self.space.cardinalities
        starts = np.cumsum(cardinalities) - cardinalities
        code = np.zeros((len(self), int(cardinalities.sum())))
        rows, columns = np.nonzero(self.space.active(self.genes))
        code[rows, starts[columns] + self.genes[rows, columns]] = 1.0
        return code

    def features(self) -> FloatArray:
        """What predictors are fitted to: the one-hot code, and what the architectures' space adds, shape (n, f)."""
        architectures = self.space.architectures
        added = architectures.features(self.genes[:, : len(architectures.choices)])
        return np.concatenate([self.one_hot(), added], axis=1)
