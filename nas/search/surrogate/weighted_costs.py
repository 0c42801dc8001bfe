"""Tabulated costs of a space of one network, weighted into one, and the exact frontier of damage and that one."""

from __future__ import annotations

from math import inf

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, Joint, PerLayer
from nas.compression.allocation.allocator import Infeasible, OutOfTime, SolverFailed, Unsupported
from nas.compression.allocation.cost_tables import split_cost
from nas.compression.allocation.frontier import Frontier
from nas.compression.allocation.milp import MilpAllocator
from nas.compression.allocation.sweep_step import plan_steps
from nas.objectives import AdditiveEvaluator, FloatArray
from nas.one_hot_program import Integers
from nas.search.protocol.problem import SearchProblem
from search_spaces.additive_cost import Term
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import Genes

_MOST_ENTRIES = 10_000  # of tables of one cost, unless they can be swept
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
    sweep takes them in the order of the layers, so that few are open at once. A cost whose tables are too large, or
    keep too many genes open at once, is replaced by the nearest sum over genes; so are all with such tables if these
    together keep too many open. Frontiers are then near ones; candidates are judged by their exact costs all the same.

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
        self._names = [problem.objectives[column].metric.name for column in columns]
        self._errors: dict[str, float] = {}  # of nearest sums, by name of the cost
        self._parts = [*map(self._split, range(len(columns)))]
        self._swept = self._parts
        self._limits = problem.cost_limits[columns] if budgeted else np.full(len(columns), np.inf)
        self._unsolved = 0

    @property
    def count(self) -> int:
        """Number of costs."""
        return len(self._costs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What costs are only near in allocations, and how many of these no program told; nothing if there are none."""
        found = [
            f"allocated by a sum over layers, which is {error:.2g} % off on average: {name}"
            for name, error in self._errors.items()
        ]
        if self._unsolved:
            limited = " and ".join(self._names[column] for column in np.flatnonzero(np.isfinite(self._limits)))
            found.append(
                f"left out, as no program ended with one: {self._unsolved} allocations within the limits on {limited}"
            )
        return tuple(found)

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
        return self._restore(frontier.read_off(levels))

    def _restore(self, found: Integers) -> Genes:
        """Distinct genes, shape (n, d), of choices in the order of the sweep."""
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
        others = [
            Budget(self._names[column], self._parts[column][0], float(self._limits[column]), self._parts[column][1])
            for column in limited
        ]
        damage, pairs = self._arrange(damage, pairs)
        allocator, found = MilpAllocator(most_s=inf, most_nodes=_MOST_NODES), []
        for level in levels.tolist():
            budgets = (Budget("level", alone, level, joint), *others)
            try:
                found.append(allocator.allocate(AllocationProblem(damage, budgets, pairs=pairs)))
            except Infeasible:
                continue  # so little of the one cost may need more of another than its limit
            except (OutOfTime, SolverFailed):
                self._unsolved += 1
        return self._restore(np.array(found, dtype=np.int64).reshape(len(found), len(damage)))

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
            if not any(joint for _, joint in self._swept):
                raise
            self._swept = [self._fit(at) if joint else (alone, joint) for at, (alone, joint) in enumerate(self._swept)]
            return self._sweep(damage, weights, pairs)

    def _weigh(self, weights: FloatArray) -> tuple[PerLayer, Joint]:
        """The tables of the weighted sum of the costs, in the order of the sweep."""
        scaled = [
            _scale(alone, joint, extent / weight)
            for (alone, joint), extent, weight in zip(self._swept, self._extents, weights.tolist(), strict=True)
            if weight > 0
        ]
        alone = tuple(np.sum(tables, axis=0) for tables in zip(*(one for one, _ in scaled), strict=True))
        return alone, tuple(term for _, terms in scaled for term in terms)

    def _sweep(self, damage: PerLayer, weights: FloatArray, pairs: Joint) -> Frontier:
        alone, joint = self._weigh(weights)
        most = sum(float(table.max()) for table in alone) + sum(float(term.table.max()) for term in joint)
        damage, pairs = self._arrange(damage, pairs)
        return Frontier.from_problem(
            AllocationProblem(damage, (Budget("costs", alone, most, joint),), pairs=pairs), _BUCKETS
        )

    def _split(self, column: int) -> tuple[PerLayer, Joint]:
        """The tables of a cost, in the order of the sweep: exact ones, or the nearest sum where they are too large."""
        try:
            alone, joint = self._arrange(*split_cost(self._costs[column], self._space.cardinalities.tolist()))
            if not sum(term.table.size for term in joint) <= _MOST_ENTRIES:
                plan_steps([len(table) for table in alone], [(term.columns, term.table) for term in joint])
        except ValueError:  # what cannot be swept is one, too
            return self._fit(column)
        return alone, joint

    def _fit(self, column: int) -> tuple[PerLayer, Joint]:
        """The sum over genes that is nearest to a cost by least squares, on uniform and random candidates."""
        drawn = self._space.sample(np.random.default_rng(0), _FITTED)
        population = self._space.population(np.concatenate([list_uniform(self._space), drawn.genes]))
        features, values = population.one_hot(), self._costs[column](population.genes)
        # one-hot features of a layer sum to 1: the least norm among equal fits shares a constant out evenly
        weights = np.linalg.lstsq(features, values, rcond=None)[0]
        error = np.abs(features @ weights - values).mean() / (np.abs(values).mean() or 1.0)
        self._errors[self._names[column]] = 100 * float(error)
        return self._arrange(tuple(np.split(weights, np.cumsum(self._space.cardinalities)[:-1])), ())

    def _arrange(self, alone: PerLayer, joint: Joint) -> tuple[PerLayer, Joint]:
        """Tables over genes as tables in the order of the sweep."""
        place = np.argsort(self._order).tolist()
        moved = tuple(term.relabel([place[column] for column in term.columns]) for term in joint)
        return tuple(alone[gene] for gene in self._order), moved


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
