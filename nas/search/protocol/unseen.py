"""Candidates that a searcher has not asked for yet, so that it asks for none twice."""

from __future__ import annotations

from itertools import islice, product

import numpy as np

from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import BoolArray, Genes
from search_spaces.subspace import Subspace

_ATTEMPTS = 20  # rounds of sampling before the rest of a space is enumerated
_ENUMERABLE = 1 << 20  # gene vectors of the largest space that is enumerated; budgets do not exhaust larger ones
_BLOCK = 1 << 14  # gene vectors that are enumerated at a time: a few megabytes


class UnseenCandidates:
    """Remembers the candidates that were asked for, and finds others.

    Args:
        space: The joint space.
        rng: Source of random candidates.
        subspace: The part of the space that candidates are taken from; None is all of it.
        design: The candidates to ask for first, in order; see `nas.search.protocol.first_design`.
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
        """The rows of canonical genes, shape (n, d), that are unseen; marks them as seen."""
        fresh = []
        for row, key in enumerate(vector.tobytes() for vector in genes):
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(row)
        return genes[fresh]

    def are_unseen(self, genes: Genes) -> BoolArray:
        """Which rows of canonical genes, shape (n, d), are unseen and in the subspace; a mask of shape (n,).

        It does not mark them as seen.
        """
        new = np.array([vector.tobytes() not in self._seen for vector in genes], dtype=np.bool_)
        if self._subspace is None or len(genes) == 0:
            return new
        return new & np.array(self._subspace.contains(Population(self.space, genes)), dtype=np.bool_)

    def take_designed(self, n: int) -> Genes:
        """The next `n` unseen candidates of the design, or fewer if it has fewer, shape (k, d); marks them as seen."""
        left = self._design[self.are_unseen(self._design)]
        asked, self._design = left[:n], left[n:]
        return self.admit(asked)

    def sample(self, n: int) -> Genes:
        """`n` random unseen gene vectors, canonical, shape (k, d); marks them as seen.

        It gives fewer if the space has no more. In a space too large to enumerate it may also give fewer if 20 rounds
        of sampling found mostly seen ones, as in a small subspace.
        """
        found = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        for _ in range(_ATTEMPTS):
            missing = n - len(found)
            if missing == 0:
                return found
            drawn = (self._subspace or self.space).sample(self.rng, missing)
            found = np.concatenate([found, self.admit(drawn.genes)])
        return np.concatenate([found, self._enumerate(n - len(found))])

    def _enumerate(self, n: int) -> Genes:
        """Up to `n` unseen gene vectors, in the order of the enumerated space; none if the space is too large."""
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
