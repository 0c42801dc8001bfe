"""Sums of tabulated terms over the genes of a space as an integer program: its variables and constraints.

A gene becomes a one-hot code, all 0 if the gene is inactive; a term over several genes gets a variable for every entry
of its table (`nas.one_hot_program`). Independent of searchers and of the solver.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.one_hot_program import Integers, OneHotProgram, TableEntries
from search_spaces.additive_cost import AdditiveCost, FloatArray, Term
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import BoolArray

_MOST_ENTRIES = 5000  # entries of all terms; a program of the once-for-all space with as many takes a second
_Scope = tuple[int, ...]


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
        self._program = OneHotProgram()
        values = [self._program.add_variables(size) for size in sizes]
        conditions = [space.find_condition(gene) for gene in range(len(sizes))]
        for own, condition in zip(values, conditions, strict=True):
            self._tie_to_activity(own, condition, values)
        tables = [
            (columns, TableEntries.from_tables(table, _find_allowed(columns, table.shape[:-1], conditions)))
            for columns, table in _sum_tables(costs, len(sizes))
        ]
        tables.sort(key=lambda one: len(one[1].prices))
        kept = np.cumsum([len(entries.prices) for _, entries in tables]) <= most_entries
        exact = [one for one, keep in zip(tables, kept, strict=True) if keep]
        priced = [
            (self._program.add_entries(entries, [values[column] for column in columns]), entries.prices)
            for columns, entries in exact
        ]
        self.slopes = np.zeros((len(costs), self._program.count))
        for variables, prices in priced:
            self.slopes[:, variables] = prices.T
        scopes = {columns for columns, _ in exact}
        self.left_out = tuple(
            AdditiveCost([term for term in cost.terms if _find_scope(term) not in scopes], cost.derived)
            for cost in costs
        )
        self.structure = self._program.build_constraint()

    def extend_slope(self, slope: FloatArray) -> FloatArray:
        """The slope of a linear function of the features, shape (f,), extended by zeros to all variables."""
        return np.pad(slope, (0, self._program.count - len(slope)))

    def _tie_to_activity(
        self, own: Integers, condition: tuple[int, BoolArray] | None, values: Sequence[Integers]
    ) -> None:
        """Adds the constraint that an active gene has one value, and an inactive one none."""
        if condition is None:
            self._program.set_equal(own, [], 1.0)
        else:
            parent, wanted = condition
            self._program.set_equal(own, values[parent][wanted], 0.0)


def _sum_tables(costs: Sequence[AdditiveCost], genes: int) -> list[tuple[_Scope, FloatArray]]:
    """Sums the terms that read the same genes; skips terms that read derived columns.

    Returns:
        Pairs of the genes' indices, rising, and the summed tables of shape (values of a gene, ..., costs).
    """
    scopes: dict[_Scope, FloatArray] = {}
    for number, cost in enumerate(costs):
        for term in cost.terms:
            if max(term.columns, default=0) < genes:
                table = term.table.transpose(np.argsort(term.columns))
                tables = scopes.setdefault(_find_scope(term), np.zeros((*table.shape, len(costs))))
                tables[..., number] += table
    return list(scopes.items())


def _find_scope(term: Term) -> _Scope:
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
