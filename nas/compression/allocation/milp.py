"""Allocation as a mixed-integer linear program, solved by HiGHS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.allocator import (
    Abilities,
    Allocator,
    Infeasible,
    OutOfTime,
    SolverFailed,
    Unsupported,
)
from nas.compression.allocation.layer_groups import LayerGroups
from nas.compression.allocation.sweep_step import plan_steps
from nas.compression.allocation.whole_budget import Row, WholeBudget
from nas.one_hot_program import OneHotProgram, TableEntries
from search_spaces.additive_cost import FloatArray, Term

# Statuses of `milp`. The limit is that of time; a limit of nodes has the status of whatever else ends the solver.
_OPTIMAL, _LIMIT, _INFEASIBLE = 0, 1, 2
# Widens a budget by this share of the largest cost: twice the solver's tolerance, so that the solver does not exclude
# an allocation that just keeps the budget.
_NEAR = 2e-6
_MOST_READ = 3  # layers that a table has a variable for each entry of
_SCALE = 1000.0  # the largest damage is scaled to this: the solver stops at an absolute gap of 1e-6


@dataclass(frozen=True)
class MilpAllocator(Allocator):
    """An exact allocator for any budgets, ties and tables of several layers, by an integer program.

    It is the program of HAWQ-V3 (Yao et al., ICML 2021, section 3.4) for any choices and costs: a binary variable for
    each choice, and one for each distinct entry of a table that several layers decide (`nas.one_hot_program`). Tables
    that more than three layers decide, such as conversions behind an addition, are walked through layer by layer,
    unless a sweep could not take them: there is a variable for each choice in each state that entries still depend on.

    The result keeps the budgets to the last bit, though the solver has a tolerance. It first solves the program with
    slightly widened budgets. If the result exceeds a budget, it solves a second program, in which costs are added digit
    by digit in whole numbers. The damage is the least up to 1e-9 of the largest damage of a choice. If no allocation
    keeps all budgets, the nearest one is found up to 1e-6 of the largest cost difference between choices of a layer.

    Attributes:
        most_s: Time limit of an allocation in seconds.
        most_nodes: Limit of nodes that branch and bound looks at, of each program; None is any number. Whether it is
            reached does not depend on how busy the machine is.
    """

    most_s: float = 60.0
    most_nodes: int | None = None

    abilities = Abilities(exact=True)

    def solve(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices."""
        program, deadline = _Program(problem, self.most_nodes), time.monotonic() + self.most_s
        chosen = program.solve(deadline)
        if chosen is not None and problem.excesses(chosen):
            chosen = program.solve_by_digits(deadline)
        if chosen is None:
            raise Infeasible(program.least_excesses(deadline))
        if excesses := problem.excesses(chosen):
            raise SolverFailed(f"HiGHS must add whole numbers exactly; what it chose exceeds budgets by {excesses}")
        return chosen


class _Program:
    """The integer program: a variable for each choice of the first group of layers, and so on; then all entries."""

    def __init__(self, problem: AllocationProblem, most_nodes: int | None) -> None:
        self._most_nodes = most_nodes
        self._problem, self._groups, self._shape = problem, LayerGroups.from_problem(problem), OneHotProgram()
        self._values = [self._shape.add_choice(size) for size in self._groups.sizes]
        self._choices = self._shape.count
        damage = self._add_rows(problem.terms)
        rows = [self._add_rows(budget.terms) for budget in problem.budgets]
        self._count = self._shape.count  # of choices and entries
        self._damage = np.zeros(self._count)
        for row in damage:
            self._damage[row.variables] += row.values
        self._damage *= _SCALE / (np.abs(self._damage).max() or 1.0)
        self._budgets = [
            WholeBudget.from_rows(own, budget.most, self._count)
            for own, budget in zip(rows, problem.budgets, strict=True)
        ]

    def solve(self, deadline: float) -> tuple[int, ...] | None:
        """The allocation of least damage that exceeds budgets by a little at the most; None if there is none."""
        costs, most = self._scaled()
        largest = np.ones(self._count)
        return self._chosen(self._damage, LinearConstraint(costs, -np.inf, most + _NEAR), largest, deadline)

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
        counts = [self._count, len(most)]
        left = np.hstack([costs, -np.eye(len(most))])
        largest = np.repeat([1.0, np.inf], counts)
        chosen = self._chosen(np.repeat([0.0, 1.0], counts), LinearConstraint(left, -np.inf, most), largest, deadline)
        assert chosen is not None  # any allocation is feasible
        excesses = self._problem.excesses(chosen)
        if not excesses:
            raise SolverFailed(f"HiGHS must not call a program infeasible that is not: {chosen} keeps all budgets")
        return excesses

    def _add_rows(self, terms: Sequence[Term]) -> list[Row]:
        """The tables of a cost as rows over variables; those of several groups get variables of their own."""
        regrouped = self._groups.regroup(terms)
        walked = self._walk([term for term in regrouped if len(term.columns) > _MOST_READ])
        rows = [*walked]
        for term in [term for term in regrouped if not walked or len(term.columns) <= _MOST_READ]:
            if len(term.columns) == 1:
                rows.append(Row(self._values[term.columns[0]], term.table))
            else:
                entries = TableEntries.from_tables(term.table[..., None], np.ones(term.table.shape, np.bool_))
                own = self._shape.add_entries(entries, [self._values[group] for group in term.columns])
                rows.append(Row(own, entries.prices[:, 0]))
        return rows

    def _walk(self, large: Sequence[Term]) -> list[Row]:
        """The rows of large tables, over the ways through what a sweep keeps open; none if that is too much."""
        if not large:
            return []
        try:
            steps = plan_steps(self._groups.sizes, [(term.columns, term.table) for term in large])
        except Unsupported:
            return []
        ways = self._shape.add_walk([step.merged for step in steps], self._values)
        return [
            Row(own, entries.ravel()) for step, own in zip(steps, ways, strict=True) for entries in step.added.values()
        ]

    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        """Costs, shape (budgets, variables), and the most of each budget, shape (budgets,)."""
        rows = [budget.scaled() for budget in self._budgets]
        costs = np.array([costs for costs, _ in rows]).reshape(len(rows), self._count)
        return costs, np.array([most for _, most in rows])

    def _is_at_node_limit(self, found: OptimizeResult) -> bool:
        return self._most_nodes is not None and (found.get("mip_node_count") or 0) >= self._most_nodes

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
            objective: Coefficients of all variables: first those of choices and entries, then auxiliary ones.
            budgets: Constraints in the same variables.
            largest: Upper bounds of the variables; a variable with a finite bound takes whole numbers.
            deadline: Time of `time.monotonic` at which the solver stops.
            presolve: Whether the solver may simplify the program first.
        """
        options = {"time_limit": max(deadline - time.monotonic(), 0.0), "mip_rel_gap": 0.0, "presolve": presolve}
        if self._most_nodes is not None:
            options["node_limit"] = self._most_nodes
        found = milp(
            objective,
            integrality=np.isfinite(largest),
            bounds=Bounds(0, largest),
            constraints=[self._shape.build_constraint(len(objective) - self._count), budgets],
            options=options,
        )
        if found.status == _INFEASIBLE:
            return None
        layers = len(self._problem.damage)
        if found.status == _LIMIT:
            raise OutOfTime(f"the best of {layers} layers' policies was not found in time: {found.message}")
        if found.status != _OPTIMAL and self._is_at_node_limit(found):
            raise OutOfTime(f"the best of {layers} layers' policies was not found in {self._most_nodes} nodes")
        if found.status != _OPTIMAL:
            raise SolverFailed(f"HiGHS must end with an allocation, or a proof that there is none: {found.message}")
        codes = np.split(found.x[: self._choices], np.cumsum(self._groups.sizes)[:-1])
        return self._groups.spread([int(code.argmax()) for code in codes])
