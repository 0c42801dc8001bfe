"""Fusing and chunking change nothing in the sums."""

from __future__ import annotations

import numpy as np

from search_spaces.additive_cost import AdditiveCost, Term, fuse_terms


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
