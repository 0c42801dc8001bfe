"""Fusing and chunking change nothing in the sums."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.additive_cost import AdditiveCost, DerivedColumn, Term, fuse_terms


def test_equals_the_plain_sum_of_table_entries() -> None:
    rng = np.random.default_rng(0)
    cardinalities = rng.integers(2, 6, size=30)
    terms = []
    for start in range(40):  # neighbours share genes in either order, as the layers of a block do, and some are large
        columns = rng.permutation(np.arange(start % 26, start % 26 + 4))[: rng.integers(1, 5)]
        table = rng.integers(0, 1000, size=cardinalities[columns]).astype(float)
        terms.append(Term(tuple(columns.tolist()), table))
    genes = rng.integers(0, cardinalities, size=(10_000, 30)).astype(np.int16)
    expected = sum(term.table[tuple(genes[:, column] for column in term.columns)] for term in terms)
    cost = AdditiveCost(terms)
    assert np.array_equal(cost(genes), expected)
    assert cost.terms == tuple(terms)
    assert 1 < len(fuse_terms(terms)) < len(terms)


def test_nothing_costs_nothing_and_a_constant_needs_no_genes() -> None:
    assert np.array_equal(AdditiveCost([])(np.zeros((3, 2), np.int16)), np.zeros(3))
    assert np.array_equal(AdditiveCost([Term((), np.array(2.5))])(np.zeros((3, 2), np.int16)), np.full(3, 2.5))
    assert AdditiveCost([Term((0,), np.ones(2))])(np.empty((0, 1), np.int16)).shape == (0,)


def test_axes_that_get_the_same_column_become_its_diagonal() -> None:
    term = Term((4, 7, 2), np.arange(12.0).reshape(2, 3, 2)).relabel([5, 1, 5])
    assert term.columns == (1, 5)
    assert np.array_equal(term.table, [[0.0, 7.0], [2.0, 9.0], [4.0, 11.0]])
    assert Term((), np.array(2.0)).relabel([]).table.shape == ()


def test_terms_without_derived_columns_are_the_same_sum() -> None:
    rng = np.random.default_rng(0)
    first = DerivedColumn((0, 1), rng.integers(0, 3, size=(4, 5)).astype(np.int32))
    second = DerivedColumn((3, 1, 2), rng.integers(0, 2, size=(3, 5, 2)).astype(np.int32))  # reads the first
    terms = [Term((3, 4), rng.random((3, 2))), Term((4, 0, 3), rng.random((2, 4, 3))), Term((2,), rng.random(2))]
    cost = AdditiveCost(terms, [first, second])
    expanded = cost.expand(3)
    assert all(max(term.columns) < 3 for term in expanded)
    genes = np.indices((4, 5, 2)).reshape(3, -1).T.astype(np.int16)
    assert np.allclose(AdditiveCost(expanded)(genes), cost(genes), rtol=1e-14)


def test_a_table_of_too_many_entries_is_not_expanded() -> None:
    derived = DerivedColumn((0, 1), np.zeros((3000, 3000), np.int32))
    with pytest.raises(ValueError, match="2 genes decide together takes a table of 9,000,000 entries, more than"):
        AdditiveCost([Term((2,), np.zeros(1))], [derived]).expand(2)
