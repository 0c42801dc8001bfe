"""Costs in whole units are the costs, or a little more."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nas.compression.allocation.whole_costs import WholeCosts
from search_spaces.additive_cost import Term


@pytest.mark.parametrize("seed", range(10))
def test_units_lose_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    terms = [Term((number,), rng.integers(-999, 999, size=4) * 2.0 ** rng.integers(-30, 9)) for number in range(6)]
    whole = WholeCosts.from_terms(terms)
    for term, units in zip(terms, whole.tables, strict=True):
        assert units.min() == 0
        above = [Fraction(value) - Fraction(float(term.table.min())) for value in term.table.tolist()]
        assert [int(count) * whole.unit for count in units] == above
    assert whole.least == sum(Fraction(float(term.table.min())) for term in terms)


def test_units_are_as_large_as_they_can_be() -> None:
    whole = WholeCosts.from_terms([Term((0,), np.array([3000.0, 5000.0])), Term((1,), np.array([1.0, 4001.0]))])
    assert [table.tolist() for table in whole.tables] == [[0, 1], [0, 2]]
    assert (whole.largest, whole.count_most(7000.9), whole.count_most(1e300), whole.count_most(-1.0)) == (3, 1, 3, -1)
    assert whole.price(np.array([0, 2])).tolist() == [3001.0, 7001.0]


def test_of_too_many_bits_costs_are_rounded_up() -> None:
    """By less than the last bit of the sum: whatever is within the budget in units is so in truth."""
    rng = np.random.default_rng(0)
    terms = [Term((number,), rng.normal(size=4) * 10.0 ** rng.integers(-3, 3)) for number in range(6)]
    whole = WholeCosts.from_terms(terms)
    for chosen in rng.integers(0, 4, size=(50, 6)):
        spent = whole.least + whole.unit * sum(int(units[at]) for units, at in zip(whole.tables, chosen, strict=True))
        exact = sum(Fraction(float(term.table[at])) for term, at in zip(terms, chosen, strict=True))
        assert 0 <= spent - exact < Fraction(2) ** -50


def test_costs_that_are_all_nothing_take_no_units() -> None:
    whole = WholeCosts.from_terms([Term((0,), np.zeros(3))])
    assert (whole.largest, whole.count_most(0.0), whole.count_most(-1e-300)) == (0, 0, -1)
