"""Exact allocation under one budget, by the Pareto frontier."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.allocator import Allocator
from nas.compression.allocation.frontier import ONE_BUDGET, allocate_on_frontier


@dataclass(frozen=True)
class FrontierAllocator(Allocator):
    """An exact allocator for one budget that sweeps over all undominated allocations within it.

    Whoever has many budgets on one cost reads all of them off one `Frontier`. Costs that sum up to more than 61 bits
    are rounded up to 61 bits; the frontier of costs with few common divisors grows with the number of layers, and
    `dynamic_program` bounds it.

    Attributes:
        most_s: Time limit of an allocation in seconds.
    """

    most_s: float = 60.0

    abilities = ONE_BUDGET

    def solve(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices."""
        return allocate_on_frontier(problem, None, self.most_s)
