"""Partitions of ops by the agreement of their gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from nas.objectives import FloatArray
from nas.training.few_shot.grouping import MAX_OPS, Partition, best_partition, partitions, separation


def brute_force(scores: FloatArray, groups: int) -> Partition:
    """The first least cut over all labellings, in lexicographic order; only canonical labellings can come first."""
    ops, least = len(scores), 2 if len(scores) >= 2 * groups else 1
    found: tuple[float, tuple[int, ...]] | None = None
    for labels in itertools.product(range(groups), repeat=ops):
        if min(labels.count(group) for group in range(groups)) < least:
            continue
        cut = sum(float(scores[a, b]) for a in range(ops) for b in range(a) if labels[a] != labels[b])
        if found is None or cut < found[0] - 1e-9:
            found = cut, labels
    assert found is not None
    return tuple(tuple(op for op in range(ops) if found[1][op] == group) for group in range(groups))


def test_the_best_partition_is_that_of_brute_force_ties_included() -> None:
    rng = np.random.default_rng(0)
    for trial in range(200):
        ops = int(rng.integers(2, 8))
        groups = int(rng.integers(2, min(ops, 3) + 1))
        half = rng.uniform(-1, 1, (ops, ops)) if trial % 2 else rng.integers(-2, 2, (ops, ops)).astype(float)
        scores = half + half.T
        assert best_partition(scores, groups) == brute_force(scores, groups), (trial, scores, groups)


def test_rounding_does_not_break_ties() -> None:
    scores = np.ones((4, 4))
    scores[0, 3] = scores[3, 0] = 1 + 1e-15
    assert best_partition(scores, 2) == ((0, 1), (2, 3))


def test_partitions_are_distinct_canonical_and_balanced() -> None:
    five = list(partitions(5, 2))
    assert len(set(five)) == len(five) == 10
    assert all(sorted(map(len, partition)) == [2, 3] for partition in five)
    assert five[0] == ((0, 1, 2), (3, 4))
    assert list(partitions(3, 2)) == [((0, 1), (2,)), ((0, 2), (1,)), ((0,), (1, 2))]
    assert len(list(partitions(6, 3))) == 15  # pairs only
    assert len(list(partitions(5, 3))) == 25  # too few ops for pairs: the Stirling number S(5, 3)
    assert list(partitions(4, 4)) == [((0,), (1,), (2,), (3,))]


def test_separation_is_a_mean_over_pairs_between_groups() -> None:
    scores = np.array([[1.0, 0.9, 0.5], [0.9, 1.0, -0.5], [0.5, -0.5, 1.0]])
    assert separation(scores, ((0, 1), (2,))) == pytest.approx((0.5 + 1.5) / 2)
    assert separation(scores, ((0,), (1,), (2,))) == pytest.approx((0.1 + 0.5 + 1.5) / 3)
    twice = np.kron(scores, np.ones((2, 2)))
    assert separation(twice, ((0, 1, 2, 3), (4, 5))) == pytest.approx(separation(scores, ((0, 1), (2,))))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: best_partition(np.eye(2), 3), "between 1 and the number of ops, got 3 for 2 ops"),
        (lambda: partitions(3, 0), "got 0 for 3 ops"),
        (lambda: best_partition(np.eye(MAX_OPS + 1), 2), "at most 12 ops, got 13"),
        (lambda: best_partition(np.full((2, 2), np.nan), 2), "finite numbers"),
        (lambda: best_partition(np.ones((2, 3)), 2), r"got shape \(2, 3\)"),
        (lambda: best_partition(np.triu(np.ones((3, 3))), 2), "symmetric"),
        (lambda: separation(np.eye(2), ((0, 1),)), "two or more groups"),
        (lambda: separation(np.eye(3), ((0,), (1,))), "each of 3 ops once"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
