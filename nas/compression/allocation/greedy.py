"""Allocation under one budget by the cheapest next step: the baseline that exact allocators are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.allocator import Abilities, Allocator, Infeasible
from nas.compression.allocation.layer_groups import LayerGroups


@dataclass(frozen=True)
class GreedyAllocator(Allocator):
    """Lowers one layer after the other, always where the least damage is added for what is saved.

    It starts with the choices of least damage. Each step takes the cheaper choice of a layer, or of a tie, that adds
    the least damage per unit of saved cost, until the budget is kept. The result is a vertex of the convex hull of the
    frontier, so it can be far from the best where choices are few and coarse. Where the cost is the number of bits of
    each layer, all layers count alike, and those of least damage are lowered first until the mean is met: the
    allocation of layer-wise quantisation by an importance such as LIM (Dumitru et al., 2024).
    """

    abilities = Abilities(exact=False, most_budgets=1, joint_costs=False, pairs=False)

    def solve(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices."""
        groups = LayerGroups.from_problem(problem)
        damage = [np.zeros(size) for size in groups.sizes]
        cost = [np.zeros(size) for size in groups.sizes]
        for terms, sums in ((problem.terms, damage), *((budget.terms, cost) for budget in problem.budgets)):
            for term in groups.regroup(terms):
                sums[term.columns[0]] += term.table
        chosen = [int(np.lexsort((costs, known))[0]) for known, costs in zip(damage, cost, strict=True)]
        while excesses := problem.excesses(groups.spread(chosen)):
            steps: list[tuple[float, int, int]] = [
                (float((known[choice] - known[now]) / (costs[now] - costs[choice])), group, choice)
                for group, (now, known, costs) in enumerate(zip(chosen, damage, cost, strict=True))
                for choice in np.flatnonzero(costs < costs[now]).tolist()
            ]
            if not steps:  # all are as cheap as they can be
                raise Infeasible(excesses)
            _, group, choice = min(steps)
            chosen[group] = choice
        return groups.spread(chosen)
