"""A computation on quantities is that on the values of every candidate."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces import quantities as module
from search_spaces.additive_cost import AdditiveCost
from search_spaces.quantities import Quantities

SIZES = [3, 2, 4, 3, 2, 3, 4]


def _chain(values: list[int]) -> float:
    """Each step depends on the one before, so all genes decide the last one."""
    state = 0
    for value in values:
        state = (2 * state + value) % 5
    return state + 0.25 * values[0]


@pytest.mark.parametrize("cached_entries", [8, 1 << 10, 1 << 14])
def test_equals_the_computation_on_values(cached_entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED_ENTRIES", cached_entries)
    quantities = Quantities(SIZES)
    genes = [quantities.from_genes([number], range(size)) for number, size in enumerate(SIZES)]
    state = quantities.constant(0)
    for gene in genes:
        state = quantities.derive(lambda before, value: (2 * before + value) % 5, state, gene)
    cost = quantities.derive(lambda last, first: last + 0.25 * first, state, genes[0])
    rows = np.random.default_rng(0).integers(0, SIZES, size=(500, len(SIZES))).astype(np.int16)
    found = AdditiveCost([quantities.to_term(cost)], quantities.derived)(rows)
    assert found.tolist() == [_chain(row) for row in rows.tolist()]
    assert (len(quantities.derived) > 0) == (cached_entries < np.prod(SIZES))


def test_only_what_can_occur_is_worked_out_and_only_what_matters_is_kept() -> None:
    quantities = Quantities(SIZES)
    sums = quantities.from_genes([3, 0], [number // 3 + number % 3 for number in range(9)])  # gene 3 is the outer one
    first = quantities.from_genes([0], "abc")
    assert sums.columns == (0, 3)
    seen = []

    def is_a(total: int, letter: str) -> bool:
        seen.append((total, letter))
        return letter == "a"

    found = quantities.derive(is_a, sums, first)
    assert sorted(seen) == sorted((a + b, "abc"[a]) for a in range(3) for b in range(3))
    assert found.columns == (0,)
    assert [found.values[code] for code in found.codes] == [True, False, False]
    assert quantities.derive(lambda: 7).values == (7,)


def test_a_table_that_would_be_far_too_large_is_refused() -> None:
    quantities = Quantities([60] * 4)
    with pytest.raises(ValueError, match="a quantity takes a table of 12,960,000 entries, more than 4,194,304"):
        quantities.derive(lambda *values: sum(values), *(quantities.from_genes([gene], range(60)) for gene in range(4)))
