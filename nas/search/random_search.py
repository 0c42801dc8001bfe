"""Random search: the baseline that every other searcher has to beat.

In: nothing it is told. Out: uniform samples without repetition.
"""

from __future__ import annotations

import numpy as np

from nas.objectives import FloatArray
from nas.search.searcher import Searcher, UnseenCandidates
from search_spaces.joint_space import JointSpace, Population


class RandomSearcher(Searcher):
    """Samples every gene uniformly.

    Args:
        space: The joint space.
        seed: Seeds the samples.
    """

    def __init__(self, space: JointSpace, seed: int) -> None:
        self.space = space
        self._unseen = UnseenCandidates(space, np.random.default_rng(seed))

    def ask(self, n: int) -> Population:
        """The next `n` candidates, none of them asked before."""
        return Population(self.space, self._unseen.sample(n))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Random search learns nothing."""
