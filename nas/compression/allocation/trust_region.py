"""Allocation where sums mislead far from where damages were measured: they are measured anew around what was best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from math import isfinite

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.allocator import Allocator
from nas.compression.allocation.dynamic_program import DynamicProgramAllocator
from nas.compression.allocation.layer_groups import LayerGroups
from search_spaces.additive_cost import FloatArray


def allocate_in_trust_region(
    problem: AllocationProblem,
    damage_of: Callable[[tuple[int, ...]], float],
    *starts: Sequence[int],
    allocator: Allocator | None = None,
    reach: int = 2,
    rounds: int = 4,
) -> tuple[int, ...]:
    """Allocates by damages that are measured around the best allocation known, as often as that makes it better.

    In each round, each layer of the best allocation takes the choices within reach of its own, all others kept. These
    damages are summed by the allocator, and what it chooses is measured. If it is not better, the reach is halved.
    So sums need only hold near an allocation, and not for all layers from none to the most. This is a trust-region
    method (Conn, Gould and Toint, "Trust-region methods", 2000, section 6.1) whose model is a sum over layers.

    Args:
        problem: The choices with their costs, in an order in which neighbours do similar damage. Its damage and pair
            terms are used for the first allocation only.
        damage_of: Measures the damage of an allocation; called once for each.
        starts: Further allocations within the budgets, such as a uniform one. The best of all is where it starts.
        allocator: Solves each round; by default `DynamicProgramAllocator`.
        reach: How far a choice may be from that of the best allocation in a round, in choices; from 1.
        rounds: How often damages are measured at the most, each time up to twice the reach for each layer.

    Returns:
        For each layer the index of its choice. Nothing that was measured within the budgets did less damage.

    Raises:
        ValueError: If a start exceeds a budget or is no choice of each layer, alike in tied ones, a damage is not
            finite, or the reach or the rounds are below 1.
        Unsupported: If the problem is not within the abilities of the allocator.
        Infeasible: If no allocation keeps all budgets.
    """
    if not (reach >= 1 and rounds >= 1):
        raise ValueError(f"a trust region needs a reach and rounds from 1, got {reach} and {rounds}")
    groups = LayerGroups.from_problem(problem)
    for start in starts:
        _check_start(problem, groups, start)

    @cache
    def measure(chosen: tuple[int, ...]) -> float:
        found = damage_of(chosen)
        if not isfinite(found):
            raise ValueError(f"the damage of an allocation must be a finite number, got {found} of {chosen}")
        return found

    solver = allocator or DynamicProgramAllocator()
    best = min([solver.allocate(problem), *(tuple(map(int, start)) for start in starts)], key=measure)
    for _ in range(rounds):
        chosen = groups.gather(best)
        near = [range(max(at - reach, 0), min(at + reach + 1, n)) for at, n in zip(chosen, groups.sizes, strict=True)]
        moves = [
            [groups.spread([*chosen[:group], choice, *chosen[group + 1 :]]) for choice in known]
            for group, known in enumerate(near)
        ]
        damage = [np.array([measure(move) - measure(best) for move in known]) for known in moves]
        picked = groups.gather(solver.allocate(_restrict(problem, groups, near, damage)))
        found = groups.spread([known[place] for known, place in zip(near, picked, strict=True)])
        within = [move for known in moves for move in known if not problem.excesses(move)]
        best, before = min([best, found, *within], key=measure), best
        if best == before:
            if reach == 1:
                break
            reach //= 2
    return best


def _check_start(problem: AllocationProblem, groups: LayerGroups, start: Sequence[int]) -> None:
    """Raises ValueError if a start is no allocation of a problem."""
    fits = len(start) == len(problem.sizes) and all(
        0 <= choice < size for choice, size in zip(start, problem.sizes, strict=True)
    )
    if not fits or groups.spread(groups.gather(start)) != tuple(start):
        raise ValueError(
            f"a start must have a choice of each layer, of {problem.sizes}, the same for tied ones, got {tuple(start)}"
        )
    if excesses := problem.excesses(start):
        over = ", ".join(f"{name} by {excess:g}" for name, excess in excesses.items())
        raise ValueError(f"a start must keep all budgets, got one that exceeds {over}")


def _restrict(
    problem: AllocationProblem, groups: LayerGroups, near: Sequence[range], damage: Sequence[FloatArray]
) -> AllocationProblem:
    """The problem with some choices of each group and their damage, which the first layer of a group has for all."""
    of_layer = [near[group] for group in groups.group_of]
    first = [groups.group_of.index(group) == layer for layer, group in enumerate(groups.group_of)]
    damages = [
        damage[group] if leads else 0 * damage[group] for group, leads in zip(groups.group_of, first, strict=True)
    ]
    budgets = [
        replace(
            budget,
            costs=tuple(costs[known] for costs, known in zip(budget.costs, of_layer, strict=True)),
            joint=tuple(
                replace(term, table=term.table[np.ix_(*(of_layer[layer] for layer in term.columns))])
                for term in budget.joint
            ),
        )
        for budget in problem.budgets
    ]
    return AllocationProblem(tuple(damages), tuple(budgets), problem.ties)
