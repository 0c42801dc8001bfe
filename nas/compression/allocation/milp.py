"""Allocation as a mixed-integer linear program, solved by HiGHS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_array, block_diag, csr_array, eye_array

from nas.compression.allocation.allocation_problem import AllocationProblem, PerLayer
from nas.compression.allocation.allocator import Allocator, Infeasible, OutOfTime
from search_spaces.additive_cost import FloatArray

_OPTIMAL, _INFEASIBLE = 0, 2  # statuses of `milp`
_SCALE = 1000.0  # of the largest damage: the solver stops at an absolute gap of 1e-6


@dataclass(frozen=True)
class MilpAllocator(Allocator):
    """Exact, under any number of budgets: a binary variable for each choice, one of which each layer takes.

    The integer program of HAWQ-V3 (Yao et al., ICML 2021, section 3.4) for any choices and costs.

    Attributes:
        most_s: Seconds that an allocation may take.
    """

    most_s: float = 60.0

    def allocate(self, problem: AllocationProblem) -> tuple[int, ...]:
        """The best allocation; what the solver's tolerance lets exceed a budget by a little is left out."""
        program, deadline = _Program(problem), time.monotonic() + self.most_s
        while True:
            chosen = program.solve(deadline)
            if chosen is None:
                raise Infeasible(program.least_excesses(deadline))
            if not problem.excesses(chosen):
                return chosen
            program.leave_out(chosen)


class _Program:
    """Constraints on one binary variable per choice, layer after layer."""

    def __init__(self, problem: AllocationProblem) -> None:
        self._problem = problem
        self._sizes = [len(known) for known in problem.damage]
        self._damage = _SCALE * _scaled(problem.damage)[0]
        self._one_each = csr_array(block_diag([np.ones((1, size)) for size in self._sizes]))
        rows = [_scaled(budget.costs) for budget in problem.budgets]
        self._costs = np.array([row for row, _ in rows]).reshape(len(rows), len(self._damage))
        self._most = np.array([budget.most / scale for budget, (_, scale) in zip(problem.budgets, rows, strict=True)])
        self._left_out: list[FloatArray] = []

    def solve(self, deadline: float) -> tuple[int, ...] | None:
        """The allocation of least damage that was not left out, within budgets and the solver's tolerance."""
        constraints = [LinearConstraint(self._one_each, 1, 1), LinearConstraint(self._costs, -np.inf, self._most)]
        for code in self._left_out:
            constraints.append(LinearConstraint(code[None], -np.inf, len(self._sizes) - 1))
        return self._chosen(self._damage, constraints[: 1 if not len(self._most) else None], deadline)

    def leave_out(self, chosen: Sequence[int]) -> None:
        """Excludes an allocation."""
        code = np.zeros(len(self._damage))
        code[np.cumsum([0, *self._sizes[:-1]]) + chosen] = 1.0
        self._left_out.append(code)

    def least_excesses(self, deadline: float) -> dict[str, float]:
        """Those of an allocation whose excesses, each in units of the largest cost of a choice, are least in sum."""
        budgets = len(self._most)
        one_each = block_array([[self._one_each, csr_array((len(self._sizes), budgets))]])
        costs = block_array([[csr_array(self._costs), -eye_array(budgets)]])
        constraints = [LinearConstraint(one_each, 1, 1), LinearConstraint(costs, -np.inf, self._most)]
        chosen = self._chosen(np.concatenate([np.zeros(len(self._damage)), np.ones(budgets)]), constraints, deadline)
        assert chosen is not None  # any allocation is feasible
        return self._problem.excesses(chosen)

    def _chosen(
        self, objective: FloatArray, constraints: Sequence[LinearConstraint], deadline: float
    ) -> tuple[int, ...] | None:
        choices = np.arange(len(objective)) < len(self._damage)
        found = milp(
            objective,
            integrality=choices,
            bounds=Bounds(0, np.where(choices, 1.0, np.inf)),
            constraints=constraints,
            options={"time_limit": max(deadline - time.monotonic(), 0.0), "mip_rel_gap": 0.0},
        )
        if found.status == _INFEASIBLE:
            return None
        if found.status != _OPTIMAL:
            raise OutOfTime(f"the best of {len(self._sizes)} layers' policies was not found in time: {found.message}")
        layers = np.split(found.x[choices], np.cumsum(self._sizes)[:-1])
        return tuple(int(codes.argmax()) for codes in layers)


def _scaled(values: PerLayer) -> tuple[FloatArray, float]:
    """Values of all choices in a row of which the largest is 1, as the solver's tolerances are absolute; by what."""
    row = np.concatenate(values)
    scale = float(np.abs(row).max()) or 1.0
    return row / scale, scale
