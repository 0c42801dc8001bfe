"""The cheapest allocation above a floor of what is measured, by bisection of the frontier of damage and a cost."""

from __future__ import annotations

import numpy as np

from nas.compression.allocation.floor import Bisection
from nas.objectives import AdditiveEvaluator, FloatArray
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.allocated_design import list_tabulated
from nas.search.surrogate.weighted_costs import WeightedCosts
from search_spaces.search_space import Genes

_POINTS = 128  # allocations on the frontier: about seven of them are measured, or five of those that programs give
MOST_STEPS = (_POINTS - 1).bit_length()  # of them that are measured: a bisection halves what is left each time


def has_floor(problem: SearchProblem) -> bool:
    """Whether the least of one tabulated cost is asked for, and what is measured is only limited."""
    (first, *others) = (problem.objectives[column].evaluate for column in problem.minimized)
    return isinstance(first, AdditiveEvaluator) and not others


class FloorBisection:
    """Finds how far down the frontier of damage and a cost the limits on what is measured are kept.

    It is the bisection of Schaefer et al. ("Augmenting Hessians with inter-layer dependencies for mixed-precision
    post-training quantization", 2023), along exact allocations in place of layers in the order of their damage: these
    cost less above the same floor, in fewer measurements. It takes quality to fall with every step down; if it does
    not, what is found was measured all the same.

    Args:
        problem: The problem, which `has_floor`.
        costs: Its tabulated costs.
    """

    def __init__(self, problem: SearchProblem, costs: WeightedCosts) -> None:
        (least,), tabulated = problem.minimized, list_tabulated(problem)
        found = costs.allocate(problem.damage, np.eye(len(tabulated))[tabulated.index(least)], _POINTS, problem.pairs)
        steps = problem.space.population(found).unique()
        objectives = {column: problem.objectives[column] for column in tabulated}
        values = {column: one.metric.costs(one.evaluate(steps)) for column, one in objectives.items()}
        kept = np.all([values[column] <= problem.cost_limits[column] for column in tabulated], axis=0)
        dearest_first = np.argsort(-values[least][kept], kind="stable")
        self._steps = steps.genes[kept][dearest_first]
        self._limited = [column for column in range(len(problem.objectives)) if column not in tabulated]
        self._limits = problem.cost_limits[self._limited]
        self._bisection = Bisection(max(len(self._steps) - 1, 0))
        self._outcomes: dict[bytes, bool] = {}

    @property
    def step(self) -> Genes:
        """The allocation to be measured next, shape (1, d); none, shape (0, d), once the last one is found."""
        middle = self._bisection.middle
        return self._steps[:0] if middle is None else self._steps[middle : middle + 1]

    def learn(self, genes: Genes, costs: FloatArray) -> None:
        """Takes outcomes, of steps or of other candidates.

        Args:
            genes: Canonical genes of the candidates, shape (n, d).
            costs: Their costs, shape (n, m); infinite where a candidate could not be measured.
        """
        for row, known in zip(genes, costs[:, self._limited], strict=True):
            self._outcomes[row.tobytes()] = bool((known <= self._limits).all())
        while len(step := self.step) and (key := step[0].tobytes()) in self._outcomes:
            self._bisection.tell(self._outcomes[key])
