"""Layers that share their choice, as one variable each: a problem with ties becomes one without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem
from search_spaces.additive_cost import Term


@dataclass(frozen=True)
class LayerGroups:
    """The groups of a problem: the layers of a tie, or a layer by itself; in the order of their first layers.

    Attributes:
        group_of: For each layer, the index of its group.
        sizes: For each group, the number of choices of its layers.
    """

    group_of: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def from_problem(cls, problem: AllocationProblem) -> LayerGroups:
        """The groups of all layers of a problem."""
        first = list(range(len(problem.damage)))
        for tie in problem.ties:
            for layer in tie:
                first[layer] = min(tie)
        leaders, group_of = np.unique(first, return_inverse=True)
        return cls(tuple(group_of.tolist()), tuple(len(problem.damage[leader]) for leader in leaders))

    def regroup(self, terms: Iterable[Term]) -> list[Term]:
        """The same tables over the choices of groups: columns are indices of groups, each at most once, rising."""
        return [term.relabel([self.group_of[layer] for layer in term.columns]) for term in terms]

    def spread(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """The choice of each layer, given that of each group."""
        return tuple(int(chosen[group]) for group in self.group_of)

    def gather(self, chosen: Sequence[int]) -> list[int]:
        """The choice of each group, given that of each layer."""
        return [chosen[self.group_of.index(group)] for group in range(len(self.sizes))]
