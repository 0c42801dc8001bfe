"""Groupings of values by the agreement of their gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from nas.objectives import FloatArray
from nas.training.few_shot.grouping import (
    MOST_VALUES,
    Grouping,
    choose_grouping,
    enumerate_groupings,
    measure_separation,
)


def brute_force(scores: FloatArray, groups: int) -> Grouping:
    """The first least cut over all labellings, in lexicographic order; only canonical labellings can come first."""
    values, least = len(scores), 2 if len(scores) >= 2 * groups else 1
    found: tuple[float, tuple[int, ...]] | None = None
    for labels in itertools.product(range(groups), repeat=values):
        if min(labels.count(group) for group in range(groups)) < least:
            continue
        cut = sum(float(scores[a, b]) for a in range(values) for b in range(a) if labels[a] != labels[b])
        if found is None or cut < found[0] - 1e-9:
            found = cut, labels
    assert found is not None
    return tuple(tuple(value for value in range(values) if found[1][value] == group) for group in range(groups))


def test_the_chosen_grouping_is_that_of_brute_force_ties_included() -> None:
    rng = np.random.default_rng(0)
    for trial in range(200):
        values = int(rng.integers(2, 8))
        groups = int(rng.integers(2, min(values, 3) + 1))
        half = (
            rng.uniform(-1, 1, (values, values)) if trial % 2 else rng.integers(-2, 2, (values, values)).astype(float)
        )
        scores = half + half.T
        assert choose_grouping(scores, groups) == brute_force(scores, groups), (trial, scores, groups)


def test_rounding_does_not_break_ties() -> None:
    scores = np.ones((4, 4))
    scores[0, 3] = scores[3, 0] = 1 + 1e-15
    assert choose_grouping(scores, 2) == ((0, 1), (2, 3))


def test_groupings_are_distinct_canonical_and_balanced() -> None:
    five = list(enumerate_groupings(5, 2))
    assert len(set(five)) == len(five) == 10
    assert all(sorted(map(len, grouping)) == [2, 3] for grouping in five)
    assert five[0] == ((0, 1, 2), (3, 4))
    assert list(enumerate_groupings(3, 2)) == [((0, 1), (2,)), ((0, 2), (1,)), ((0,), (1, 2))]
    assert len(list(enumerate_groupings(6, 3))) == 15  # pairs only
    assert len(list(enumerate_groupings(5, 3))) == 25  # too few values for pairs: the Stirling number S(5, 3)
    assert list(enumerate_groupings(4, 4)) == [((0,), (1,), (2,), (3,))]


def test_separation_is_a_mean_over_pairs_between_groups() -> None:
    scores = np.array([[1.0, 0.9, 0.5], [0.9, 1.0, -0.5], [0.5, -0.5, 1.0]])
    assert measure_separation(scores, ((0, 1), (2,))) == pytest.approx((0.5 + 1.5) / 2)
    assert measure_separation(scores, ((0,), (1,), (2,))) == pytest.approx((0.1 + 0.5 + 1.5) / 3)
    twice = np.kron(scores, np.ones((2, 2)))
    assert measure_separation(twice, ((0, 1, 2, 3), (4, 5))) == pytest.approx(
        measure_separation(scores, ((0, 1), (2,)))
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: choose_grouping(np.eye(2), 3), "between 1 and the number of values, got 3 for 2 values"),
        (lambda: enumerate_groupings(3, 0), "got 0 for 3 values"),
        (lambda: choose_grouping(np.eye(MOST_VALUES + 1), 2), "at most 12 values, got 13"),
        (lambda: choose_grouping(np.full((2, 2), np.nan), 2), "finite numbers"),
        (lambda: choose_grouping(np.ones((2, 3)), 2), r"got shape \(2, 3\)"),
        (lambda: choose_grouping(np.triu(np.ones((3, 3))), 2), "symmetric"),
        (lambda: measure_separation(np.eye(2), ((0, 1),)), "two or more groups"),
        (lambda: measure_separation(np.eye(3), ((0,), (1,))), "each of 3 values once"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
