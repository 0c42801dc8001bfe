"""One additive cost minimised under bounds on others, exactly, by an integer program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from nas.objectives import FloatArray
from nas.search.integer_program.additive_program import AdditiveProgram
from search_spaces.additive_cost import AdditiveCost
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import Genes

# Nodes x variables of a program, as a clock would let the load of a machine decide what is asked: 49 nodes, which take
# about two seconds, in the once-for-all space under two policies.
_WORK = 150_000


class AdditiveMinimizer:
    """Minimises one cost under bounds on others, exactly.

    Args:
        space: The joint space.
        costs: Sums of tabulated terms; what of them a program takes exactly are `program.slopes`.

    Raises:
        ValueError: If it depends on several genes at once whether one is active.
    """

    def __init__(self, space: JointSpace, costs: Sequence[AdditiveCost] = ()) -> None:
        self.space, self.program = space, AdditiveProgram(space, costs)
        self._starts = np.cumsum(space.cardinalities) - space.cardinalities

    def minimize(self, slope: FloatArray, bounds: list[tuple[FloatArray, float]], known: list[Genes]) -> Genes | None:
        """Finds the candidate of least cost within all bounds.

        Args:
            slope: Cost of every variable of the program, shape (v,), or of the features, shape (f,).
            bounds: Slopes of other costs, and the most that each may be.
            known: Canonical genes of shape (d,) that are left out.

        Returns:
            Canonical genes, shape (d,): the best that is found within a number of nodes, which is the same each time.
            None if there is none, or none is found.
        """
        constraints = [self.program.structure]
        for row, most in bounds:
            row, scale = self._scaled(row)
            constraints.append(LinearConstraint(row[None], -np.inf, most / scale))
        for genes in known:
            code = Population(self.space, genes[None]).one_hot()[0]
            constraints.append(LinearConstraint(self.program.extend_slope(2 * code - 1)[None], -np.inf, code.sum() - 1))
        found = milp(
            self._scaled(slope)[0],
            integrality=self.program.extend_slope(np.ones(self.space.cardinalities.sum())),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options={"node_limit": max(_WORK // self.program.slopes.shape[1], 1), "mip_rel_gap": 0.0},
        )
        if found.x is None:
            return None
        chosen = [
            int(found.x[start : start + size].argmax())
            for start, size in zip(self._starts, self.space.cardinalities, strict=True)
        ]
        return self.space.population([chosen]).genes[0]

    def _scaled(self, slope: FloatArray) -> tuple[FloatArray, float]:
        """A slope of all variables of which the largest is 1, as the solver's tolerances are absolute; and by what."""
        scale = float(np.abs(slope).max()) or 1.0
        return self.program.extend_slope(slope / scale), scale
