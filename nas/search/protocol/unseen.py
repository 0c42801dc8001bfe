"""Candidates that a searcher has not asked for yet: how it never asks for one twice."""

from __future__ import annotations

from itertools import islice, product

import numpy as np

from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import BoolArray, Genes
from search_spaces.subspace import Subspace

_ATTEMPTS = 20  # rounds of sampling before the rest of a space is enumerated
_ENUMERABLE = 1 << 20  # gene vectors; a larger space is not exhausted by sampling
_BLOCK = 1 << 14  # gene vectors that are enumerated at a time: a few megabytes


class UnseenCandidates:
    """Remembers what was asked, and finds candidates that were not.

    Args:
        space: The joint space.
        rng: Source of random candidates.
        subspace: Where candidates are found; None is everywhere.
        design: Candidates to begin with, in order; see `nas.search.protocol.first_design`.
    """

    def __init__(
        self,
        space: JointSpace,
        rng: np.random.Generator,
        subspace: Subspace | None = None,
        design: Population | None = None,
    ) -> None:
        self.space = space
        self.rng = rng
        self._subspace = subspace
        self._seen: set[bytes] = set()
        self._design = np.empty((0, len(space.cardinalities)), dtype=np.int16) if design is None else design.genes

    def admit(self, genes: Genes) -> Genes:
        """The rows of canonical genes, shape (n, d), that are new; from now on they are seen."""
        fresh = []
        for row, key in enumerate(vector.tobytes() for vector in genes):
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(row)
        return genes[fresh]

    def are_unseen(self, genes: Genes) -> BoolArray:
        """Which rows of canonical genes, shape (n, d), are new and in the subspace; they stay so. Shape (n,)."""
        new = np.array([vector.tobytes() not in self._seen for vector in genes], dtype=np.bool_)
        if self._subspace is None or len(genes) == 0:
            return new
        return new & np.array(self._subspace.contains(Population(self.space, genes)), dtype=np.bool_)

    def take_designed(self, n: int) -> Genes:
        """Up to `n` of what is left of the design, in order; from now on they are seen. Shape (k, d)."""
        left = self._design[self.are_unseen(self._design)]
        asked, self._design = left[:n], left[n:]
        return self.admit(asked)

    def sample(self, n: int) -> Genes:
        """Up to `n` new canonical vectors, at random, shape (k, d); fewer only when nothing new is left."""
        found = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        for _ in range(_ATTEMPTS):
            missing = n - len(found)
            if missing == 0:
                return found
            drawn = (self._subspace or self.space).sample(self.rng, missing)
            found = np.concatenate([found, self.admit(drawn.genes)])
        return np.concatenate([found, self._enumerate(n - len(found))])

    def _enumerate(self, n: int) -> Genes:
        """Up to `n` new canonical vectors in the order of their genes; none of a space that is too large for that."""
        found = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        if float(np.prod(self.space.cardinalities, dtype=float)) > _ENUMERABLE:
            return found
        everything = product(*(range(cardinality) for cardinality in self.space.cardinalities))
        while len(found) < n:
            block = list(islice(everything, _BLOCK))
            if not block:
                break
            canonical = self.space.population(block).unique().genes
            unseen = canonical[self.are_unseen(canonical)]
            found = np.concatenate([found, self.admit(unseen[: n - len(found)])])
        return found
