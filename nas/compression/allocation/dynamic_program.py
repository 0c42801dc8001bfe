"""Allocation under one budget by dynamic programming over buckets of costs."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.allocator import Abilities, Allocator
from nas.compression.allocation.frontier import allocate_on_frontier


@dataclass(frozen=True)
class DynamicProgramAllocator(Allocator):
    """An allocator for one budget in a time that is known beforehand, exact up to the width of a bucket for each layer.

    It is the dynamic program of Xu et al. ("Efficient joint optimization of layer-adaptive weight pruning", ICCV 2023)
    and, for a mirrored problem (`AllocationProblem.mirror`), that of L-GreCo (Alimohammadi et al., MLSys 2024). The
    rest of the budget beyond the least cost is divided into buckets. Of all states in a bucket that of least damage is
    kept, and the one nearest to the convex hull, which makes the result much better than its bound. States keep their
    own costs, so roundings do not add up, as they do where each cost is rounded up to a bucket.

    The budget is never exceeded, and with L layers and D buckets the damage is at most the least that is possible with
    a budget whose rest is smaller by the factor 1 - L/D. Costs whose rest is no more than D whole units are solved
    exactly.

    Attributes:
        buckets: Number of buckets, D, one or more.
        most_s: Time limit of an allocation in seconds.
    """

    buckets: int = 10_000
    most_s: float = 60.0

    abilities = Abilities(exact=False, most_budgets=1)

    def solve(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices."""
        return allocate_on_frontier(problem, self.buckets, self.most_s)
