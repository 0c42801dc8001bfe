"""Tabulated costs of a space of one network, weighted into one, and the exact frontier of damage and that one."""

from __future__ import annotations

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, Joint, PerLayer
from nas.compression.allocation.allocator import SolverFailed, Unsupported
from nas.compression.allocation.cost_tables import split_cost
from nas.compression.allocation.frontier import Frontier
from nas.objectives import AdditiveEvaluator, FloatArray
from nas.search.protocol.problem import SearchProblem
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import Genes

_MOST_TOGETHER = 2  # layers that decide a table which enters a sweep
_FITTED = 2000  # random candidates to which a sum over layers is fitted
_BUCKETS = 2000  # of costs on a frontier: a sweep over fifty layers takes some ten milliseconds


class WeightedCosts:
    """The tabulated costs of a problem, each divided by its extent over uniform policies, as costs of allocations.

    A cost with tables that more than two layers decide, such as a latency with its conversions in a residual network,
    is replaced by the nearest sum over layers, as a sweep would take too long; so are all costs if their tables keep
    too many layers open at once. Frontiers are then near ones; candidates are judged by their exact costs all the same.

    Args:
        problem: The search problem; its space has one architecture.
        columns: Indices of the objectives whose costs are tabulated.
    """

    def __init__(self, problem: SearchProblem, columns: list[int]) -> None:
        self._space = problem.space
        uniform = problem.space.population(problem.space.uniform_policies)
        evaluators = [problem.objectives[column].evaluate for column in columns]
        self._costs = [one.cost for one in evaluators if isinstance(one, AdditiveEvaluator)]
        self._extents = [float(np.ptp(cost(uniform.genes))) or 1.0 for cost in self._costs]
        self._parts = [_split(cost, self._space) for cost in self._costs]

    @property
    def count(self) -> int:
        """Number of costs."""
        return len(self._costs)

    def allocate(self, damage: PerLayer, weights: FloatArray, points: int, pairs: Joint = ()) -> Genes:
        """Allocations of least damage, evenly spread over the weighted costs, shape (n, layers), of at most `points`.

        Args:
            damage: As for `find_frontier`.
            weights: As for `find_frontier`.
            points: Number of budgets for which they are read off.
            pairs: As for `find_frontier`.
        """
        frontier = self.find_frontier(damage, weights, pairs)
        budgets = np.linspace(frontier.costs[0], frontier.costs[-1], points)
        return np.unique(frontier.read_off(budgets), axis=0).astype(np.int16)

    def find_frontier(self, damage: PerLayer, weights: FloatArray, pairs: Joint = ()) -> Frontier:
        """The frontier of damage and the weighted sum of the costs.

        Args:
            damage: For each layer the damage of its policies, shape (policies of the layer,).
            weights: The weight of each cost, shape (costs,); not below 0, and one of them above.
            pairs: The damage that several layers do together, where it is known; tables of neighbours keep one layer
                open.
        """
        try:
            return self._sweep(damage, weights, pairs)
        except (Unsupported, SolverFailed):
            if not any(joint for _, joint in self._parts):
                raise
            self._parts = [(_fit_sum(cost, self._space), ()) for cost in self._costs]
            return self._sweep(damage, weights, pairs)

    def _sweep(self, damage: PerLayer, weights: FloatArray, pairs: Joint) -> Frontier:
        scaled = [
            _scale(alone, joint, extent / weight)
            for (alone, joint), extent, weight in zip(self._parts, self._extents, weights.tolist(), strict=True)
            if weight > 0
        ]
        alone = tuple(np.sum(tables, axis=0) for tables in zip(*(one for one, _ in scaled), strict=True))
        joint = tuple(term for _, terms in scaled for term in terms)
        most = sum(float(table.max()) for table in alone) + sum(float(term.table.max()) for term in joint)
        problem = AllocationProblem(damage, (Budget("costs", alone, most, joint),), pairs=pairs)
        return Frontier.from_problem(problem, _BUCKETS)


def _scale(alone: PerLayer, joint: Joint, divisor: float) -> tuple[PerLayer, Joint]:
    """Costs divided by a number."""
    return (
        tuple(table / divisor for table in alone),
        tuple(Term(term.columns, term.table / divisor) for term in joint),
    )


def _split(cost: AdditiveCost, space: JointSpace) -> tuple[PerLayer, Joint]:
    """The tables of a cost: exact ones where few layers decide together, else the nearest sum over layers."""
    sizes = space.cardinalities.tolist()
    if all(len(term.columns) <= _MOST_TOGETHER for term in cost.terms) and not cost.derived:
        return split_cost(cost, sizes)
    return _fit_sum(cost, space), ()


def _fit_sum(cost: AdditiveCost, space: JointSpace) -> PerLayer:
    """The sum over layers that is nearest to a cost by least squares, on uniform and random candidates."""
    drawn = space.sample(np.random.default_rng(0), _FITTED)
    population = space.population(np.concatenate([space.uniform_policies, drawn.genes]))
    features, values = population.one_hot(), cost(population.genes)
    # one-hot features of a layer sum to 1: the least norm among equal fits shares a constant out evenly
    weights = np.linalg.lstsq(features, values, rcond=None)[0]
    return tuple(np.split(weights, np.cumsum(space.cardinalities)[:-1]))
