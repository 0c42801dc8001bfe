"""Sums of tabulated terms as an integer program: its variables and constraints.

A gene becomes a one-hot code of binary variables, all 0 if the gene is inactive. A term over several genes gets a
variable for every entry of its table, one of which is 1. For every value of a gene, the variables of the entries with
that value sum to the variable of the value (the local marginal polytope of Wainwright and Jordan, "Graphical Models,
Exponential Families, and Variational Inference", 2008, section 4.1). If the variables of the genes are integers, one
entry remains, so costs are exact and the entries need no integrality constraint. Independent of searchers and of the
solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint
from scipy.sparse import coo_array, csr_array

from search_spaces.additive_cost import AdditiveCost, FloatArray, Term
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import BoolArray

Integers = NDArray[np.int64]

_MOST_ENTRIES = 5000  # entries of all terms; a program of the once-for-all space with as many takes a second


class AdditiveProgram:
    """The variables of an integer program for a joint space and some costs on it.

    The first variables are the features of `Population.one_hot`; the others lie in [0, 1] and follow from them. Terms
    that read derived columns are left out. If the tables have more than `most_entries` distinct entries, the largest
    ones are left out, too.

    Args:
        space: The joint space.
        costs: Sums of terms over its genes.
        most_entries: Largest number of distinct entries of all tables together.

    Attributes:
        slopes: Each cost, without the terms that are left out, as a linear function of all variables; shape (costs,
            variables).
        left_out: The terms of each cost that are left out; a cost without any is exact.
        structure: The linear constraints that hold for the codes of candidates and for no other integers.

    Raises:
        ValueError: If several genes together decide whether another one is active.
    """

    def __init__(
        self, space: JointSpace, costs: Sequence[AdditiveCost] = (), most_entries: int = _MOST_ENTRIES
    ) -> None:
        sizes = space.cardinalities.tolist()
        self._rows: list[tuple[Integers, Integers, float]] = []
        self._count = 0
        self._values = [self._add_variables(size) for size in sizes]
        conditions = [space.find_condition(gene) for gene in range(len(sizes))]
        for values, condition in zip(self._values, conditions, strict=True):
            self._tie_to_activity(values, condition)
        tables = [_Entries.from_tables(scope, conditions) for scope in _sum_tables(costs, len(sizes))]
        tables.sort(key=lambda one: len(one.prices))
        kept = np.cumsum([len(one.prices) for one in tables]) <= most_entries
        priced = [(self._add_entries(one), one.prices) for one, keep in zip(tables, kept, strict=True) if keep]
        self.slopes = np.zeros((len(costs), self._count))
        for variables, prices in priced:
            self.slopes[:, variables] = prices.T
        exact = {one.columns for one, keep in zip(tables, kept, strict=True) if keep}
        self.left_out = tuple(
            AdditiveCost([term for term in cost.terms if _find_scope(term) not in exact], cost.derived)
            for cost in costs
        )
        self.structure = self._build_constraint()

    def extend_slope(self, slope: FloatArray) -> FloatArray:
        """The slope of a linear function of the features, shape (f,), extended by zeros to all variables."""
        return np.pad(slope, (0, self._count - len(slope)))

    def _tie_to_activity(self, values: Integers, condition: tuple[int, BoolArray] | None) -> None:
        """Adds the constraint that an active gene has one value, and an inactive one none."""
        if condition is None:
            self._set_equal(values, [], 1.0)
        else:
            parent, wanted = condition
            self._set_equal(values, self._values[parent][wanted], 0.0)

    def _add_entries(self, entries: _Entries) -> Integers:
        """Adds a variable for each entry, and the constraints that tie these to the variables of the genes."""
        variables = self._add_variables(len(entries.prices))
        self._set_equal(variables, [], 1.0)
        for column, classes, chosen in zip(entries.columns, entries.classes, entries.indices, strict=True):
            # no constraint for class 0: it follows from the others, as all entries sum to 1
            for number in range(1, classes.max() + 1):
                self._set_equal(variables[chosen == number], self._values[column][classes == number], 0.0)
        return variables

    def _set_equal(self, some: Integers, others: Integers | list[int], constant: float) -> None:
        """Adds the constraint that the sum of `some` variables equals the sum of `others` plus a constant."""
        signs = np.repeat([1, -1], [len(some), len(others)])
        self._rows.append((np.concatenate([some, others]).astype(np.int64), signs, constant))

    def _add_variables(self, count: int) -> Integers:
        self._count += count
        return np.arange(self._count - count, self._count)

    def _build_constraint(self) -> LinearConstraint:
        variables, signs, right = zip(*self._rows, strict=True)
        rows = np.repeat(np.arange(len(right)), [len(some) for some in variables])
        indices = (rows, np.concatenate(variables))
        matrix = coo_array((np.concatenate(signs), indices), shape=(len(right), self._count))
        return LinearConstraint(csr_array(matrix), right, right)


@dataclass(frozen=True)
class _Entries:
    """The distinct entries of tables over the same genes, one table for each cost.

    Attributes:
        columns: Indices of the genes, rising.
        classes: For each gene, the class of each of its values. Values of one class have equal entries in all tables;
            value 0 is of class 0.
        indices: For each gene, its class in every entry, shape (entries,).
        prices: What each entry adds to each cost, shape (entries, costs).
    """

    columns: tuple[int, ...]
    classes: list[Integers]
    indices: tuple[Integers, ...]
    prices: FloatArray

    @classmethod
    def from_tables(
        cls, scope: tuple[tuple[int, ...], FloatArray], conditions: Sequence[tuple[int, BoolArray] | None]
    ) -> _Entries:
        """Merges equal values of each gene, and keeps the entries that canonical genes can have.

        Args:
            scope: Indices of the genes, and the tables as one array of shape (values of a gene, ..., costs).
            conditions: For each gene of the space, when it is active; see `JointSpace.find_condition`.
        """
        columns, tables = scope
        allowed = _find_allowed(columns, tables.shape[:-1], conditions)[..., None]
        both = np.concatenate([np.where(allowed, tables, 0.0), allowed], axis=-1)
        classes = []
        for axis in range(len(columns)):
            slices = np.moveaxis(both, axis, 0).reshape(both.shape[axis], -1)
            first, found = _number_distinct(slices)
            both = both.take(first, axis)
            classes.append(found)
        possible = both[..., -1] > 0
        indices = np.argwhere(possible).T  # of a constant, which reads no genes, there is one entry
        return cls(columns, classes, tuple(indices), both.reshape(-1, both.shape[-1])[possible.ravel(), :-1])


def _sum_tables(costs: Sequence[AdditiveCost], genes: int) -> list[tuple[tuple[int, ...], FloatArray]]:
    """Sums the terms that read the same genes; skips terms that read derived columns.

    Returns:
        Pairs of the genes' indices, rising, and the summed tables of shape (values of a gene, ..., costs).
    """
    scopes: dict[tuple[int, ...], FloatArray] = {}
    for number, cost in enumerate(costs):
        for term in cost.terms:
            if max(term.columns, default=0) < genes:
                table = term.table.transpose(np.argsort(term.columns))
                tables = scopes.setdefault(_find_scope(term), np.zeros((*table.shape, len(costs))))
                tables[..., number] += table
    return list(scopes.items())


def _find_scope(term: Term) -> tuple[int, ...]:
    return tuple(sorted(term.columns))


def _find_allowed(
    columns: Sequence[int], shape: Sequence[int], conditions: Sequence[tuple[int, BoolArray] | None]
) -> BoolArray:
    """Which combinations of values of genes are canonical, shape `shape`: an inactive gene must be 0."""
    allowed, index = np.ones(shape, dtype=np.bool_), np.indices(shape, sparse=True)
    for axis, column in enumerate(columns):
        parent, wanted = conditions[column] or (None, None)
        if wanted is not None and parent in columns:
            allowed &= (index[axis] == 0) | wanted[index[columns.index(parent)]]
    return allowed


def _number_distinct(rows: NDArray[np.float64]) -> tuple[Integers, Integers]:
    """The index of the first of each set of equal rows, rising, and for every row the number of its set."""
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[inverse.reshape(-1)]
