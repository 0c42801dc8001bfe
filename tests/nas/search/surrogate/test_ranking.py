from __future__ import annotations

import numpy as np

from nas.search.surrogate.ranking import choose_first_fronts, rank_candidates

COSTS = np.array([[0.0, 10.0], [1.0, 9.0], [5.0, 5.0], [10.0, 0.0], [6.0, 6.0], [0.0, 0.0]])
VIOLATIONS = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 3.0])


def test_feasible_fronts_come_first_then_the_least_violations() -> None:
    assert rank_candidates(COSTS, VIOLATIONS)[:5].tolist() == [0, 0, 0, 0, 1]
    more = np.concatenate([VIOLATIONS[:4], [1.0, 3.0]])
    assert np.argsort(rank_candidates(COSTS, more), kind="stable").tolist() == [0, 1, 2, 3, 4, 5]
    assert (np.diff(rank_candidates(COSTS, np.arange(1.0, 7.0))) > 0).all()


def test_of_a_front_with_too_many_its_ends_and_then_the_largest_gaps_are_taken() -> None:
    assert sorted(choose_first_fronts(2, COSTS, VIOLATIONS)) == [0, 3]
    assert sorted(choose_first_fronts(3, COSTS, VIOLATIONS)) == [0, 2, 3]
    assert sorted(choose_first_fronts(5, COSTS, VIOLATIONS)) == [0, 1, 2, 3, 4]
    assert sorted(choose_first_fronts(6, COSTS, VIOLATIONS)) == list(range(6))
