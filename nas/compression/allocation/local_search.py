"""Allocation under one budget with damage that pairs of layers do together, by moves of one and two layers."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Joint
from nas.compression.allocation.allocator import Abilities, Allocator, Unsupported
from nas.compression.allocation.dynamic_program import DynamicProgramAllocator
from nas.compression.allocation.layer_groups import LayerGroups
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class LocalSearchAllocator(Allocator):
    """Improves an allocation by the best change of one layer or of two at once, until none helps.

    It is for tables between all pairs of layers, as inter-layer terms of the Hessian make them (Schaefer et al., 2023),
    whose programs are too large for exact solvers. It starts from the allocation that `DynamicProgramAllocator` finds
    without the pair terms. A tie moves as one layer. The result is no worse than the start, and as good as any
    allocation that differs from it in two layers.

    Attributes:
        most_s: Time limit of an allocation in seconds; what was found until then is returned, as it keeps the budget.
    """

    most_s: float = 60.0

    abilities = Abilities(exact=False, most_budgets=1)

    def solve(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices."""
        deadline = time.monotonic() + self.most_s
        groups = LayerGroups.from_problem(problem)
        damage = _Quadratic.from_terms(problem.terms, groups)
        costs = [_Quadratic.from_terms(budget.terms, groups) for budget in problem.budgets]
        chosen = DynamicProgramAllocator(most_s=self.most_s).solve(replace(problem, pairs=()))
        while time.monotonic() < deadline:
            moves = damage.list_moves(groups.gather(chosen))
            for budget, cost in zip(problem.budgets, costs, strict=True):
                slack = budget.most - budget.spend(chosen)
                moves[~(cost.list_moves(groups.gather(chosen)) <= slack)] = inf
            better = self._take_best(problem, groups, chosen, moves)
            if better is None:
                break
            chosen = better
        return chosen

    def _take_best(
        self, problem: AllocationProblem, groups: LayerGroups, chosen: tuple[int, ...], moves: FloatArray
    ) -> tuple[int, ...] | None:
        """The allocation after the best move that keeps the budget; None if none does less damage.

        Args:
            problem: The problem.
            groups: Its groups.
            chosen: The present allocation.
            moves: What each move adds to the damage, shape (n, n); see `_Quadratic.list_moves`.
        """
        starts = np.cumsum([0, *groups.sizes])
        # moves are summed with roundings, so the best is checked, and the next one is tried if it was none
        while moves.min() < 0:
            at = np.unravel_index(int(moves.argmin()), moves.shape)
            moved = groups.gather(chosen)
            for choice in map(int, at):
                group = int(np.searchsorted(starts, choice, "right")) - 1
                moved[group] = choice - int(starts[group])
            found = groups.spread(moved)
            if not problem.excesses(found) and problem.damage_of(found) < problem.damage_of(chosen):
                return found
            moves[at] = inf
        return None


@dataclass(frozen=True, eq=False)
class _Quadratic:
    """A sum of tables over one or two groups each, over the n choices of all groups, one group after the other.

    Attributes:
        alone: What each choice adds by itself, shape (n,).
        together: What two choices add together, shape (n, n), symmetric; 0 within a group.
        sizes: The number of choices of each group.
    """

    alone: FloatArray
    together: FloatArray
    sizes: tuple[int, ...]

    @classmethod
    def from_terms(cls, terms: Joint, groups: LayerGroups) -> _Quadratic:
        """The sum of tables over layers.

        Raises:
            Unsupported: If three or more groups decide a table together.
        """
        starts = np.cumsum([0, *groups.sizes])
        alone, together = np.zeros(starts[-1]), np.zeros((starts[-1], starts[-1]))
        for term in groups.regroup(terms):
            spans = [slice(starts[group], starts[group + 1]) for group in term.columns]
            if len(spans) == 1:
                alone[spans[0]] += term.table
            elif len(spans) == 2:
                together[spans[0], spans[1]] += term.table
                together[spans[1], spans[0]] += term.table.T
            elif spans:  # a constant changes no move
                raise Unsupported(
                    f"LocalSearchAllocator takes tables of two layers, or ties, got one of {len(spans)}; "
                    "MilpAllocator takes all"
                )
        return cls(alone, together, groups.sizes)

    def list_moves(self, chosen: list[int]) -> FloatArray:
        """What the sum grows by if two choices replace those of their groups, shape (n, n).

        On the diagonal, one choice replaces that of its group. Two different choices of a group are infinite.

        Args:
            chosen: The present choice of each group.
        """
        own = np.repeat(np.cumsum(self.sizes) - self.sizes + chosen, self.sizes)  # the present choice of the same group
        group = np.repeat(np.arange(len(self.sizes)), self.sizes)
        present = np.unique(own)
        value = self.alone + self.together[:, present].sum(axis=1)
        single = value - value[own]
        mixed = self.together[:, own]
        moves = single[:, None] + single + (self.together - mixed - mixed.T + mixed[own])
        moves[group[:, None] == group] = inf
        np.fill_diagonal(moves, single)
        return moves
