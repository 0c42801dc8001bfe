"""Allocation as a mixed-integer linear program, solved by HiGHS."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.allocator import Allocator, Infeasible, OutOfTime, SolverFailed
from nas.compression.allocation.whole_budget import WholeBudget
from search_spaces.additive_cost import FloatArray

_OPTIMAL, _LIMIT, _INFEASIBLE = 0, 1, 2  # statuses of `milp`; the only limit that is set is that of time
# Widens a budget by this share of the largest cost: twice the solver's tolerance, so that the solver does not exclude
# an allocation that just keeps the budget.
_NEAR = 2e-6
_SCALE = 1000.0  # the largest damage is scaled to this: the solver stops at an absolute gap of 1e-6


@dataclass(frozen=True)
class MilpAllocator(Allocator):
    """An exact allocator for any number of budgets, by an integer program with a binary variable for each choice.

    It is the program of HAWQ-V3 (Yao et al., ICML 2021, section 3.4) for any choices and costs.

    The result keeps the budgets to the last bit, though the solver has a tolerance. It first solves the program with
    slightly widened budgets. If the result exceeds a budget, it solves a second program, in which costs are added digit
    by digit in whole numbers. The damage is the least up to 1e-9 of the largest damage of a choice. If no allocation
    keeps all budgets, the nearest one is found up to 1e-6 of the largest cost difference between choices of a layer.

    Attributes:
        most_s: Time limit of an allocation in seconds.
    """

    most_s: float = 60.0

    def allocate(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices."""
        program, deadline = _Program(problem), time.monotonic() + self.most_s
        chosen = program.solve(deadline)
        if chosen is not None and problem.excesses(chosen):
            chosen = program.solve_by_digits(deadline)
        if chosen is None:
            raise Infeasible(program.least_excesses(deadline))
        if excesses := problem.excesses(chosen):
            raise SolverFailed(f"HiGHS must add whole numbers exactly; what it chose exceeds budgets by {excesses}")
        return chosen


class _Program:
    """The integer program: a binary variable per choice, the choices of the first layer first."""

    def __init__(self, problem: AllocationProblem) -> None:
        self._problem = problem
        self._sizes = [len(known) for known in problem.damage]
        damage = np.concatenate(problem.damage)
        self._damage = _SCALE * damage / (np.abs(damage).max() or 1.0)
        self._one_each = csr_array(block_diag(*(np.ones(size) for size in self._sizes)))
        self._budgets = [WholeBudget.from_budget(budget) for budget in problem.budgets]

    def solve(self, deadline: float) -> tuple[int, ...] | None:
        """The allocation of least damage that exceeds budgets by a little at the most; None if there is none."""
        costs, most = self._scaled()
        choices = np.ones(len(self._damage))
        return self._chosen(self._damage, LinearConstraint(costs, -np.inf, most + _NEAR), choices, deadline)

    def solve_by_digits(self, deadline: float) -> tuple[int, ...] | None:
        """The allocation of least damage that keeps the budgets exactly; None if no allocation does."""
        if any(budget.most < 0 for budget in self._budgets):
            return None
        sums = [budget.digits() for budget in self._budgets]
        left = np.hstack([np.concatenate([each.choices for each in sums]), block_diag(*(each.others for each in sums))])
        right = np.concatenate([each.right for each in sums])
        kept = np.all([np.array(budget.costs, dtype=object) <= budget.most for budget in self._budgets], axis=0)
        largest = np.concatenate([kept.astype(np.float64), *(each.largest for each in sums)])
        objective = np.pad(self._damage, (0, len(largest) - len(kept)))
        digits = LinearConstraint(csr_array(left), right, right)
        return self._chosen(objective, digits, largest, deadline, presolve=False)  # it would sum the rows, and round

    def least_excesses(self, deadline: float) -> dict[str, float]:
        """The excesses of the nearest allocation, by name of the budget.

        The nearest has the least sum of excesses, each divided by the largest cost difference between choices of a
        layer.
        """
        costs, most = self._scaled()
        counts = [len(self._damage), len(most)]
        left = np.hstack([costs, -np.eye(len(most))])
        largest = np.repeat([1.0, np.inf], counts)
        chosen = self._chosen(np.repeat([0.0, 1.0], counts), LinearConstraint(left, -np.inf, most), largest, deadline)
        assert chosen is not None  # any allocation is feasible
        excesses = self._problem.excesses(chosen)
        if not excesses:
            raise SolverFailed(f"HiGHS must not call a program infeasible that is not: {chosen} keeps all budgets")
        return excesses

    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        """Costs, shape (budgets, choices), and the most of each budget, shape (budgets,)."""
        rows = [budget.scaled() for budget in self._budgets]
        costs = np.array([costs for costs, _ in rows]).reshape(len(rows), len(self._damage))
        return costs, np.array([most for _, most in rows])

    def _chosen(
        self,
        objective: FloatArray,
        budgets: LinearConstraint,
        largest: FloatArray,
        deadline: float,
        presolve: bool = True,
    ) -> tuple[int, ...] | None:
        """The choices of an optimal solution; None if the program is infeasible.

        Args:
            objective: Coefficients of all variables: first those of the choices, then auxiliary ones.
            budgets: Constraints in the same variables.
            largest: Upper bounds of the variables; a variable with a finite bound takes whole numbers.
            deadline: Time of `time.monotonic` at which the solver stops.
            presolve: Whether the solver may simplify the program first.
        """
        one_each = self._one_each.copy()
        one_each.resize((len(self._sizes), len(objective)))
        found = milp(
            objective,
            integrality=np.isfinite(largest),
            bounds=Bounds(0, largest),
            constraints=[LinearConstraint(one_each, 1, 1), budgets],
            options={"time_limit": max(deadline - time.monotonic(), 0.0), "mip_rel_gap": 0.0, "presolve": presolve},
        )
        if found.status == _INFEASIBLE:
            return None
        if found.status == _LIMIT:
            raise OutOfTime(f"the best of {len(self._sizes)} layers' policies was not found in time: {found.message}")
        if found.status != _OPTIMAL:
            raise SolverFailed(f"HiGHS must end with an allocation, or a proof that there is none: {found.message}")
        layers = np.split(found.x[: len(self._damage)], np.cumsum(self._sizes)[:-1])
        return tuple(int(codes.argmax()) for codes in layers)
