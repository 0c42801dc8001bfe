"""One additive cost minimised under bounds on others, exactly, by an integer program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from nas.objectives import FloatArray
from nas.search.integer_program.additive_program import AdditiveProgram
from search_spaces.additive_cost import AdditiveCost
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import Genes

# Limit on nodes x variables of a program: 49 nodes in the once-for-all space with two policies, which take about two
# seconds. It is no limit on time, with which the candidates that are found would depend on the load of the machine.
_WORK = 150_000


class AdditiveMinimizer:
    """Minimises one cost under bounds on others, exactly.

    Args:
        space: The joint space.
        costs: Sums of tabulated terms; `program.slopes` and `program.left_out` say which terms the program contains.

    Raises:
        ValueError: If several genes together decide whether another one is active.
    """

    def __init__(self, space: JointSpace, costs: Sequence[AdditiveCost] = ()) -> None:
        self.space, self.program = space, AdditiveProgram(space, costs)
        self._starts = np.cumsum(space.cardinalities) - space.cardinalities

    def minimize(self, slope: FloatArray, bounds: list[tuple[FloatArray, float]], known: list[Genes]) -> Genes | None:
        """Finds the candidate of least cost within all bounds.

        Args:
            slope: Slope of the cost over all variables of the program, shape (v,), or over the features, shape (f,).
            bounds: Slopes of other costs, and the upper bound of each.
            known: Canonical genes of shape (d,) of candidates that are excluded.

        Returns:
            Canonical genes, shape (d,), of the best candidate that is found within a fixed number of nodes. None if no
            candidate keeps the bounds, or none is found.
        """
        constraints = [self.program.structure]
        for row, most in bounds:
            row, scale = self._scaled(row)
            constraints.append(LinearConstraint(row[None], -np.inf, most / scale))
        for genes in known:
            code = Population(self.space, genes[None]).one_hot()[0]
            constraints.append(LinearConstraint(self.program.extend_slope(2 * code - 1)[None], -np.inf, code.sum() - 1))
        found = self._solve(self._scaled(slope)[0], constraints)
        if found.x is None:
            return None
        chosen = [
            int(found.x[start : start + size].argmax())
            for start, size in zip(self._starts, self.space.cardinalities, strict=True)
        ]
        return self.space.population([chosen]).genes[0]

    def bound_below(self, number: int) -> float:
        """A value that the cost of no candidate is below: the least cost itself, as a rule.

        It is less where terms are left out of the program, or a fixed number of nodes does not prove the least cost.

        Args:
            number: Index of the cost.
        """
        slope, scale = self._scaled(self.program.slopes[number])
        found = self._solve(slope, [self.program.structure])
        return float(found.mip_dual_bound * scale + sum(one.table.min() for one in self.program.left_out[number].terms))

    def _solve(self, slope: FloatArray, constraints: list[LinearConstraint]) -> OptimizeResult:
        """The outcome of the solver for a slope over all variables, within a fixed number of nodes."""
        return milp(
            slope,
            integrality=self.program.extend_slope(np.ones(self.space.cardinalities.sum())),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options={"node_limit": max(_WORK // self.program.slopes.shape[1], 1), "mip_rel_gap": 0.0},
        )

    def _scaled(self, slope: FloatArray) -> tuple[FloatArray, float]:
        """A slope over all variables, divided by its largest absolute value; and that divisor.

        The solver's tolerances are absolute, so slopes must be of one size.
        """
        scale = float(np.abs(slope).max()) or 1.0
        return self.program.extend_slope(slope / scale), scale
