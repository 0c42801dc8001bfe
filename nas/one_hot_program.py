"""Variables and constraints of integer programs over choices and over tables that read several choices.

A choice becomes a one-hot code of binary variables. A table over several choices gets a variable for every entry, one
of which is 1. For every value of a choice, the variables of the entries with that value sum to the variable of the
value (the local marginal polytope of Wainwright and Jordan, "Graphical Models, Exponential Families, and Variational
Inference", 2008, section 4.1). If the variables of the choices are integers, one entry remains, so costs are exact and
the entries need no integrality constraint. Large tables are walked through instead: one choice after the other leads
from state to state, and a state is what the entries depend on still. Independent of what the choices stand for, and of
the solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint
from scipy.sparse import coo_array, csr_array

from search_spaces.additive_cost import FloatArray
from search_spaces.search_space import BoolArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TableEntries:
    """The distinct entries of tables over the same choices, one table for each cost.

    Attributes:
        classes: For each choice, the class of each of its values. Values of one class have equal entries in all tables;
            value 0 is of class 0.
        indices: For each choice, its class in every entry, shape (entries,).
        prices: What each entry adds to each cost, shape (entries, costs).
    """

    classes: list[Integers]
    indices: tuple[Integers, ...]
    prices: FloatArray

    @classmethod
    def from_tables(cls, tables: FloatArray, allowed: BoolArray) -> TableEntries:
        """Merges equal values of each choice, and keeps the entries that are allowed.

        Args:
            tables: The tables as one array of shape (values of a choice, ..., costs).
            allowed: Which combinations of values can occur, shape (values of a choice, ...).
        """
        possible = allowed[..., None]
        both = np.concatenate([np.where(possible, tables, 0.0), possible], axis=-1)
        classes = []
        for axis in range(allowed.ndim):
            slices = np.moveaxis(both, axis, 0).reshape(both.shape[axis], -1)
            first, found = number_distinct(slices)
            both = both.take(first, axis)
            classes.append(found)
        kept = both[..., -1] > 0
        indices = np.argwhere(kept).T  # of a constant, which reads no choices, there is one entry
        return cls(classes, tuple(indices), both.reshape(-1, both.shape[-1])[kept.ravel(), :-1])


class OneHotProgram:
    """Collects the variables of a program and the linear equations that hold between them.

    Attributes:
        count: Number of variables so far; all lie in [0, 1].
    """

    def __init__(self) -> None:
        self.count = 0
        self._rows: list[tuple[Integers, Integers, float]] = []

    def add_variables(self, count: int) -> Integers:
        """Adds variables that nothing ties yet, and returns their indices, shape (count,)."""
        self.count += count
        return np.arange(self.count - count, self.count)

    def add_choice(self, count: int) -> Integers:
        """Adds a variable for each value of a choice, one of which is 1; returns their indices, shape (count,)."""
        values = self.add_variables(count)
        self.set_equal(values, [], 1.0)
        return values

    def add_entries(self, entries: TableEntries, values: Sequence[Integers]) -> Integers:
        """Adds a variable for each entry of tables, and the equations that tie these to the variables of the choices.

        Args:
            entries: The entries.
            values: The variables of each choice that the tables read, in the order of their axes.

        Returns:
            The indices of the variables of the entries, shape (entries,).
        """
        variables = self.add_choice(len(entries.prices))
        for own, classes, chosen in zip(values, entries.classes, entries.indices, strict=True):
            # no equation for class 0: it follows from the others, as all entries sum to 1
            for number in range(1, classes.max() + 1):
                self.set_equal(variables[chosen == number], own[classes == number], 0.0)
        return variables

    def add_walk(self, merged: Sequence[Sequence[Integers]], values: Sequence[Integers]) -> list[Integers]:
        """Adds a walk through states, one choice after the other, as a flow of 1 from the first state to the end.

        Args:
            merged: For each choice, the ways into each state behind it: flat indices of (states before, values).
            values: The variables of each choice, in order.

        Returns:
            The indices of the variables of the ways of each choice, shape (states before x values,); one of them is 1.
        """
        walked: list[Integers] = []
        into: list[Integers] = []
        for ways, own in zip(merged, values, strict=True):
            variables = self.add_variables(max(len(into), 1) * len(own))
            by_state = variables.reshape(-1, len(own))
            for value, variable in enumerate(own):
                self.set_equal(by_state[:, value], [variable], 0.0)
            for state, arriving in zip(by_state, into, strict=bool(into)):
                self.set_equal(state, arriving, 0.0)
            into = [variables[some] for some in ways]
            walked.append(variables)
        return walked

    def set_equal(self, some: Integers, others: Integers | list[int], constant: float) -> None:
        """Adds an equation: the sum of some variables is the sum of others plus a constant.

        Args:
            some: Indices of the variables on the left.
            others: Indices of those on the right.
            constant: What is added to the right.
        """
        signs = np.repeat([1, -1], [len(some), len(others)])
        self._rows.append((np.concatenate([some, others]).astype(np.int64), signs, constant))

    def build_constraint(self, more: int = 0) -> LinearConstraint:
        """All equations, for a solver.

        Args:
            more: Number of further variables of the solver, which follow these and stand in no equation.
        """
        variables, signs, right = zip(*self._rows, strict=True)
        rows = np.repeat(np.arange(len(right)), [len(some) for some in variables])
        indices = (rows, np.concatenate(variables))
        matrix = coo_array((np.concatenate(signs), indices), shape=(len(right), self.count + more))
        return LinearConstraint(csr_array(matrix), right, right)


def number_distinct(rows: NDArray[Any]) -> tuple[Integers, Integers]:
    """Numbers the distinct rows of a matrix in the order in which they occur.

    Args:
        rows: The rows, shape (n, values).

    Returns:
        The index of the first of each set of equal rows, shape (sets,), and for every row the number of its set, shape
        (n,).
    """
    numbers: dict[bytes, int] = {}
    # by their bytes: `np.unique` takes minutes for rows of a million values; adding 0 makes -0.0 the same as 0.0
    found = np.array([numbers.setdefault((row + 0).tobytes(), len(numbers)) for row in rows], np.int64)
    return np.unique(found, return_index=True)[1], found
