"""The searcher: it asks for candidates and is told their costs.

In: costs and violations. Out: populations to evaluate next. Knows genes only: no family, metric, device or database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import islice, product

import numpy as np

from nas.objectives import FloatArray
from nas.search.outlook import Outlook
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import BoolArray, Genes
from search_spaces.subspace import Subspace

POPULATION_SIZE = 20  # of genetic searchers, for budgets of hundreds: a larger one sees few generations
_ATTEMPTS = 20  # rounds of sampling before the rest of a space is enumerated
_ENUMERABLE = 1 << 20  # gene vectors; a larger space is not exhausted by sampling
_BLOCK = 1 << 14


class Searcher(ABC):
    """Proposes candidates and learns from their costs.

    The contract, kept by tests over all searchers: the same seed and the same tells give the same asks; a candidate is
    never asked twice; fewer than `n` are asked only when the space has no others left. Outcomes may come late and
    in any order; those of candidates that were never asked are welcome, too, and these are then not asked.

    Attributes:
        batch: How many candidates at a time serve it best.
        foresees: Whether it forecasts what more evaluations would bring.
        outlook: What it last foresaw of that; None if nothing.
    """

    batch = 100
    foresees = False
    outlook: Outlook | None = None

    def foresee(self, n: int) -> Outlook | None:  # noqa: ARG002 for searchers that foresee
        """What more evaluations would bring, after all that was told; sets `outlook`.

        Args:
            n: How many candidates are asked next: then it changes none of the asks that follow.
        """
        return self.outlook

    @abstractmethod
    def ask(self, n: int) -> Population:
        """The next `n` candidates; none that was asked before, and fewer only when the space is exhausted."""

    @abstractmethod
    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Reports the outcome of asked candidates.

        Args:
            population: What was asked, in any portions, or what is known from elsewhere.
            costs: To be minimised, shape (n, m).
            violations: Shape (n,); 0 where all limits are kept.
        """


class UnseenCandidates:
    """Remembers what was asked, and finds candidates that were not.

    Args:
        space: The joint space.
        rng: Source of random candidates.
        part: Where candidates are found; None is everywhere.
        design: Candidates to begin with, in order; see `nas.search.first_design`.
    """

    def __init__(
        self,
        space: JointSpace,
        rng: np.random.Generator,
        part: Subspace | None = None,
        design: Population | None = None,
    ) -> None:
        self.space = space
        self._rng = rng
        self._part = part
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

    def among(self, genes: Genes) -> BoolArray:
        """Which rows of canonical genes, shape (n, d), are new and in the part; they stay so."""
        new = np.array([vector.tobytes() not in self._seen for vector in genes], dtype=np.bool_)
        if self._part is None or len(genes) == 0:
            return new
        return new & np.array(self._part.contains(Population(self.space, genes)), dtype=np.bool_)

    def designed(self, n: int) -> Genes:
        """Up to `n` of what is left of the design, in order."""
        left = self._design[self.among(self._design)]
        asked, self._design = left[:n], left[n:]
        return self.admit(asked)

    def sample(self, n: int) -> Genes:
        """Up to `n` new canonical vectors, at random; fewer only when nothing new is left in the space."""
        found = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        for _ in range(_ATTEMPTS):
            missing = n - len(found)
            if missing == 0:
                return found
            drawn = (self._part or self.space).sample(self._rng, missing)
            found = np.concatenate([found, self.admit(drawn.genes)])
        return np.concatenate([found, self._enumerate(n - len(found))])

    def _enumerate(self, n: int) -> Genes:
        found = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        if float(np.prod(self.space.cardinalities, dtype=float)) > _ENUMERABLE:
            return found
        everything = product(*(range(cardinality) for cardinality in self.space.cardinalities))
        while len(found) < n:
            block = list(islice(everything, _BLOCK))
            if not block:
                break
            canonical = self.space.population(block).unique().genes
            unseen = canonical[self.among(canonical)]
            found = np.concatenate([found, self.admit(unseen[: n - len(found)])])
        return found
