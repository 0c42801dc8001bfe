"""All budgets at once: the Pareto frontier of damage and a cost, from which allocations are read off."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import Abilities, Infeasible
from nas.compression.allocation.layer_groups import LayerGroups
from nas.compression.allocation.sweep import SweepLimits, SweptStates, sweep
from nas.compression.allocation.whole_costs import WholeCosts
from nas.one_hot_program import Integers
from search_spaces.additive_cost import FloatArray

ONE_BUDGET = Abilities(exact=True, most_budgets=1)


@dataclass(frozen=True, eq=False)
class Frontier:
    """The allocations of which no other costs as little and does less damage, up to the budget of a problem.

    Attributes:
        problem: The problem, with one budget.
    """

    problem: AllocationProblem
    _groups: LayerGroups
    _whole: WholeCosts
    _states: SweptStates

    @classmethod
    def from_problem(cls, problem: AllocationProblem, buckets: int | None = None, most_s: float = inf) -> Frontier:
        """The frontier of a problem, by one sweep over its layers.

        Args:
            problem: The problem. The frontier ends at its budget, the largest one that can be read off; without a
                budget it is the allocation of least damage.
            buckets: Number of buckets from the least cost to the budget, in each of which a state or two are kept after
                each layer (`SweepLimits`); None for the exact frontier.
            most_s: Time limit in seconds.

        Raises:
            ValueError: If there is no bucket.
            Unsupported: If there are several budgets, or tables keep too many layers open at once (`sweep`).
            OutOfTime: If the time limit was reached first.
            SolverFailed: If the exact frontier takes too much memory.
        """
        if buckets is not None and not buckets >= 1:
            raise ValueError(f"costs are sorted into one or more buckets, got {buckets}")
        ONE_BUDGET.check("the frontier", problem)
        groups = LayerGroups.from_problem(problem)
        budget = problem.budgets[0] if problem.budgets else _make_free_budget(problem)
        whole, cost = _count_costs(budget, groups)
        most = whole.count_most(budget.most)
        damage = [(term.columns, term.table) for term in groups.regroup(problem.terms)]
        limits = SweepLimits(most, 1 if buckets is None else max(most // buckets, 1), time.monotonic() + most_s)
        return cls(problem, groups, whole, sweep(groups.sizes, damage, cost, limits))

    @property
    def costs(self) -> FloatArray:
        """Costs of the n allocations, rising, shape (n,), in the unit of the budget."""
        return self._whole.price(self._states.costs)

    @property
    def damages(self) -> FloatArray:
        """Their damages, falling, shape (n,)."""
        return self._states.damages

    def read_off(self, budgets: FloatArray) -> Integers:
        """The choices of the allocations of least damage within some budgets, shape (budgets, layers).

        Args:
            budgets: Upper bounds of the cost, shape (budgets,), none above that of the problem (0 if it has none).

        Raises:
            ValueError: If a budget is above that of the problem, or no allocation of the frontier is within it.
        """
        largest = self.problem.budgets[0].most if self.problem.budgets else 0.0
        if not (budgets <= largest).all():
            raise ValueError(f"this frontier ends at a budget of {largest:g}, got {budgets.max():g}")
        most = [self._whole.count_most(budget) for budget in budgets.tolist()]
        found = np.searchsorted(self._states.costs, most, "right")
        if not (found > 0).all():
            raise ValueError(f"no allocation on this frontier costs as little as {budgets.min():g}")
        return self._states.trace(found - 1)[:, list(self._groups.group_of)]


def allocate_on_frontier(problem: AllocationProblem, buckets: int | None, most_s: float) -> tuple[int, ...]:
    """The allocation of least damage on a frontier; it fails as `Frontier.from_problem` does, and in one more case.

    Args:
        problem: The problem, with one budget at the most.
        buckets: Number of buckets of costs; None for the exact frontier.
        most_s: Time limit in seconds.

    Raises:
        ValueError: If there is no bucket.
        Infeasible: If the cheapest allocation exceeds the budget.
    """
    frontier = Frontier.from_problem(problem, buckets, most_s)
    if len(frontier.damages):
        most = np.array([budget.most for budget in problem.budgets] or [0.0])
        return tuple(frontier.read_off(most)[0].tolist())
    # buckets, or costs of very many bits, may leave out the few allocations that just keep a budget
    cheapest = find_cheapest(problem)
    if excesses := problem.excesses(cheapest):
        raise Infeasible(excesses)
    return cheapest


def find_cheapest(problem: AllocationProblem) -> tuple[int, ...]:
    """The allocation of least cost, whatever its damage, for a problem with one budget."""
    groups = LayerGroups.from_problem(problem)
    whole, cost = _count_costs(problem.budgets[0], groups)
    states = sweep(groups.sizes, [], cost, SweepLimits(whole.largest))
    return groups.spread(states.trace(np.zeros(1, np.int64))[0])


def _count_costs(budget: Budget, groups: LayerGroups) -> tuple[WholeCosts, list[tuple[tuple[int, ...], Integers]]]:
    """The costs of a budget in whole units, and its tables over the choices of groups."""
    terms = groups.regroup(budget.terms)
    whole = WholeCosts.from_terms(terms)
    return whole, [(term.columns, table) for term, table in zip(terms, whole.tables, strict=True)]


def _make_free_budget(problem: AllocationProblem) -> Budget:
    """A budget that everything keeps."""
    return Budget("nothing", tuple(np.zeros(size) for size in problem.sizes), 0.0)
