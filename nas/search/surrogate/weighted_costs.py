"""Tabulated costs of a space of one network, weighted into one, and the exact frontier of damage and that one."""

from __future__ import annotations

from math import inf

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, Joint, PerLayer
from nas.compression.allocation.allocator import Infeasible, OutOfTime, SolverFailed, Unsupported
from nas.compression.allocation.cost_tables import budget_cost, split_cost
from nas.compression.allocation.frontier import Frontier
from nas.compression.allocation.milp import MilpAllocator
from nas.objectives import AdditiveEvaluator, FloatArray
from nas.search.protocol.problem import SearchProblem
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import Genes

_MOST_TOGETHER = 2  # policies that decide a table which enters a sweep
_FITTED = 2000  # random candidates to which a sum over layers is fitted
# Programs that are solved for one call: each takes much longer than a point that is read off a frontier, and longer
# still if there are conversions.
_MOST_PROGRAMS = 32
# Of branch and bound in a program; mostly far fewer are needed. It is no limit of time, by which a search that goes on
# could have another design than it began.
_MOST_NODES = 1000
_BUCKETS = 2000  # of costs on a frontier: a sweep over fifty layers takes some ten milliseconds


class WeightedCosts:
    """The tabulated costs of a problem, each divided by its extent over uniform candidates, as costs of allocations.

    Widths of groups of channels are allocated like policies of layers: a layer costs what they and its policy decide. A
    sweep takes them in the order of the layers, so that few are open at once. A cost with tables that the policies of
    more than two layers decide, such as a latency with its conversions in a residual network, is replaced by the
    nearest sum over genes, as a sweep would take too long; so are all costs if their tables keep too many genes open at
    once. Frontiers are then near ones; candidates are judged by their exact costs all the same.

    Where limits on these costs are budgets of allocations, frontiers of one cost end at its limit, and where several
    costs are limited, allocations within all limits come from an integer program.

    Args:
        problem: The search problem; its space is that of one network, with or without widths.
        columns: Indices of the objectives whose costs are tabulated.
        budgeted: Whether limits on these costs are budgets of allocations.
    """

    def __init__(self, problem: SearchProblem, columns: list[int], budgeted: bool = False) -> None:
        self._space = problem.space
        self._order = _order_genes(problem.space)
        narrowest = list_uniform(problem.space)
        narrowest[:, : len(problem.space.architectures.choices)] = 0
        uniform = problem.space.population(np.concatenate([list_uniform(problem.space), narrowest]))
        evaluators = [problem.objectives[column].evaluate for column in columns]
        self._costs = [one.cost for one in evaluators if isinstance(one, AdditiveEvaluator)]
        self._extents = [float(np.ptp(cost(uniform.genes))) or 1.0 for cost in self._costs]
        self._parts = [_split(cost, self._space) for cost in self._costs]
        self._limits = problem.cost_limits[columns] if budgeted else np.full(len(columns), np.inf)
        self._names = [problem.objectives[column].metric.name for column in columns]
        self._unsolved = 0

    @property
    def count(self) -> int:
        """Number of costs."""
        return len(self._costs)

    @property
    def notes(self) -> tuple[str, ...]:
        """How many allocations were left out so far, as no program told the best one; nothing if there are none."""
        if not self._unsolved:
            return ()
        limited = " and ".join(self._names[column] for column in np.flatnonzero(np.isfinite(self._limits)))
        return (f"left out, as no program ended with one: {self._unsolved} allocations within the limits on {limited}",)

    def allocate(self, damage: PerLayer, weights: FloatArray, points: int, pairs: Joint = ()) -> Genes:
        """Allocations of least damage, evenly spread over the weighted costs, shape (n, d), of at most `points`.

        Args:
            damage: As for `find_frontier`.
            weights: As for `find_frontier`.
            points: Number of budgets for which they are read off.
            pairs: As for `find_frontier`.
        """
        frontier = self.find_frontier(damage, weights, pairs)
        programmed = bool(np.isfinite(self._limits[weights == 0]).any())
        count = min(points, _MOST_PROGRAMS) if programmed else points
        levels = np.linspace(frontier.costs[0], self._find_end(frontier, weights), count)
        if programmed:
            return self._solve_programs(damage, weights, levels, pairs)
        found = frontier.read_off(levels)
        genes = np.empty(found.shape, dtype=np.int16)
        genes[:, self._order] = found
        return np.unique(genes, axis=0)

    def _find_end(self, frontier: Frontier, weights: FloatArray) -> float:
        """The largest weighted cost that counts: that of the limit, if one cost alone has a weight and a limit."""
        weighted = np.flatnonzero(weights)
        if len(weighted) > 1:
            return float(frontier.costs[-1])
        (column,) = weighted
        limit = float(self._limits[column] * weights[column]) / self._extents[column]
        return max(min(float(frontier.costs[-1]), limit), float(frontier.costs[0]))

    def _solve_programs(self, damage: PerLayer, weights: FloatArray, levels: FloatArray, pairs: Joint) -> Genes:
        """Allocations of least damage within levels of the weighted cost and the limits of all others, shape (n, d)."""
        alone, joint = self._weigh(weights)
        limited = np.flatnonzero((weights == 0) & np.isfinite(self._limits)).tolist()
        others, found = [self._make_budget(column) for column in limited], []
        allocator = MilpAllocator(most_s=inf, most_nodes=_MOST_NODES)
        for level in levels.tolist():
            budgets = (Budget("level", alone, level, joint), *others)
            try:
                found.append(allocator.allocate(AllocationProblem(damage, budgets, pairs=pairs)))
            except Infeasible:
                continue  # so little of the one cost may need more of another than its limit
            except (OutOfTime, SolverFailed):
                self._unsolved += 1
        return np.unique(np.array(found, dtype=np.int16).reshape(len(found), len(damage)), axis=0)

    def _make_budget(self, column: int) -> Budget:
        """The limit of a cost as a budget; the cost is the nearest sum where its tables are too large."""
        name, limit = self._names[column], float(self._limits[column])
        try:
            return budget_cost(name, self._costs[column], self._space.cardinalities.tolist(), limit)
        except ValueError:
            alone, joint = self._parts[column]
            return Budget(name, alone, limit, joint)

    def find_frontier(self, damage: PerLayer, weights: FloatArray, pairs: Joint = ()) -> Frontier:
        """The frontier of damage and the weighted sum of the costs, over genes in the order of the sweep.

        Args:
            damage: For each gene the damage of its values, shape (values,).
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

    def _weigh(self, weights: FloatArray) -> tuple[PerLayer, Joint]:
        """The tables of the weighted sum of the costs."""
        scaled = [
            _scale(alone, joint, extent / weight)
            for (alone, joint), extent, weight in zip(self._parts, self._extents, weights.tolist(), strict=True)
            if weight > 0
        ]
        alone = tuple(np.sum(tables, axis=0) for tables in zip(*(one for one, _ in scaled), strict=True))
        return alone, tuple(term for _, terms in scaled for term in terms)

    def _sweep(self, damage: PerLayer, weights: FloatArray, pairs: Joint) -> Frontier:
        alone, joint = self._weigh(weights)
        most = sum(float(table.max()) for table in alone) + sum(float(term.table.max()) for term in joint)
        place = np.argsort(self._order).tolist()
        joint, pairs = (
            tuple(term.relabel([place[column] for column in term.columns]) for term in terms)
            for terms in (joint, pairs)
        )
        budget = Budget("costs", tuple(alone[gene] for gene in self._order), most, joint)
        problem = AllocationProblem(tuple(damage[gene] for gene in self._order), (budget,), pairs=pairs)
        return Frontier.from_problem(problem, _BUCKETS)


def list_uniform(space: JointSpace) -> Genes:
    """The genes of the largest network with each policy in all of its layers, shape (policies, d).

    Args:
        space: The joint space.
    """
    policies = space.uniform_policies
    largest = np.tile(space.architectures.cardinalities - 1, (len(policies), 1))
    return np.concatenate([largest, policies], axis=1).astype(np.int16)


def _order_genes(space: JointSpace) -> list[int]:
    """All genes: before the policy of each layer the widths that decide the layer, as far as no earlier one does."""
    first = len(space.architectures.choices)
    near = [(*slot.columns, policy) for policy, slot in enumerate(space.slots, start=first)]
    return list(dict.fromkeys([*(gene for genes in near for gene in genes), *range(first)]))


def _scale(alone: PerLayer, joint: Joint, divisor: float) -> tuple[PerLayer, Joint]:
    """Costs divided by a number."""
    return (
        tuple(table / divisor for table in alone),
        tuple(Term(term.columns, term.table / divisor) for term in joint),
    )


def _split(cost: AdditiveCost, space: JointSpace) -> tuple[PerLayer, Joint]:
    """The tables of a cost: exact ones where few policies decide together, else the nearest sum over genes."""
    sizes, first = space.cardinalities.tolist(), len(space.architectures.choices)
    policies = [sum(column >= first for column in term.columns) for term in cost.terms]
    if max(policies, default=0) <= _MOST_TOGETHER and not cost.derived:
        return split_cost(cost, sizes)
    return _fit_sum(cost, space), ()


def _fit_sum(cost: AdditiveCost, space: JointSpace) -> PerLayer:
    """The sum over genes that is nearest to a cost by least squares, on uniform and random candidates."""
    drawn = space.sample(np.random.default_rng(0), _FITTED)
    population = space.population(np.concatenate([list_uniform(space), drawn.genes]))
    features, values = population.one_hot(), cost(population.genes)
    # one-hot features of a layer sum to 1: the least norm among equal fits shares a constant out evenly
    weights = np.linalg.lstsq(features, values, rcond=None)[0]
    return tuple(np.split(weights, np.cumsum(space.cardinalities)[:-1]))
