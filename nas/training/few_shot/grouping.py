"""Partitions of ops by their agreement: which split into groups separates the least agreeing ones, and how much.

In: scores of pairs. Out: a partition, and one number that ranks partitions. Knows no gradient, supernet or schedule.
Source: Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from nas.objectives import FloatArray

Partition = tuple[tuple[int, ...], ...]  # groups of op numbers, each rising, ordered by their first op

MAX_OPS = 12  # enumeration is exact; 12 ops take seconds at worst, and every further op several times as long
TIE = 1e-12  # sums closer than this fraction of all absolute scores differ by rounding only


def partitions(ops: int, groups: int) -> Iterator[Partition]:
    """All admissible partitions of ops, in lexicographic order of the ops' group numbers.

    Every group has two ops or more where there are at least twice as many ops as groups, else one or more.

    Raises:
        ValueError: Fewer than one group, more groups than ops, or more than MAX_OPS ops.
    """
    if not 1 <= groups <= ops:
        raise ValueError(f"groups must be between 1 and the number of ops, got {groups} for {ops} ops")
    if ops > MAX_OPS:
        raise ValueError(f"partitions are enumerated for at most {MAX_OPS} ops, got {ops}; leave out or merge some")
    return _grow((), 0, ops, groups, 2 if ops >= 2 * groups else 1)


def best_partition(scores: FloatArray, groups: int) -> Partition:
    """The admissible partition with the least sum of scores between its groups, by enumeration.

    Args:
        scores: Agreement of ops, shape (ops, ops), symmetric; negative ones too. The diagonal plays no part.
        groups: Number of groups; see `partitions` for their sizes.

    Returns:
        Of equally good partitions the first in the order of `partitions`; sums within TIE count as equal.

    Raises:
        ValueError: Scores that are not square, symmetric and finite, or what `partitions` refuses.
    """
    _check(scores)
    upper = np.triu(scores, 1)

    @cache
    def inside(group: tuple[int, ...]) -> float:
        return float(upper[np.ix_(group, group)].sum())

    # All pairs lie inside a group or between two, so the least sum between groups is the largest inside them.
    admissible = partitions(len(scores), groups)
    best = next(admissible)
    best_sum, tie = sum(map(inside, best)), TIE * float(np.abs(upper).sum())
    for partition in admissible:
        if (total := sum(map(inside, partition))) > best_sum + tie:
            best, best_sum = partition, total
    return best


def separation(scores: FloatArray, partition: Partition) -> float:
    """How much the groups of a partition disagree: the mean of 1 - score over the pairs of ops in different groups.

    A mean, since sums favour choices with many ops: the choice with the largest value is the one to split.

    Args:
        scores: Agreement of ops, shape (ops, ops), symmetric.
        partition: Two groups or more that hold every op once.

    Returns:
        For cosines between 0, where all such pairs agree, and 2, where they oppose each other.

    Raises:
        ValueError: Scores that are not square, symmetric and finite, or a partition of other ops or in one group.
    """
    _check(scores)
    if len(partition) < 2 or sorted(op for group in partition for op in group) != list(range(len(scores))):
        raise ValueError(f"a partition needs two or more groups with each of {len(scores)} ops once, got {partition}")
    labels = np.empty(len(scores), dtype=np.intp)
    for label, group in enumerate(partition):
        labels[list(group)] = label
    return float((1.0 - scores[labels[:, None] != labels]).mean())


def _grow(placed: Partition, op: int, ops: int, groups: int, least: int) -> Iterator[Partition]:
    """Places ops from `op` on, as long as the ops left can fill every group to its least size."""
    missing = least * (groups - len(placed)) + sum(max(0, least - len(group)) for group in placed)
    if missing > ops - op:
        return
    if op == ops:
        yield placed
        return
    for number, group in enumerate(placed):
        yield from _grow((*placed[:number], (*group, op), *placed[number + 1 :]), op + 1, ops, groups, least)
    if len(placed) < groups:
        yield from _grow((*placed, (op,)), op + 1, ops, groups, least)


def _check(scores: FloatArray) -> None:
    square = scores.ndim == 2 and scores.shape[0] == scores.shape[1]
    if not square or not np.isfinite(scores).all() or not np.allclose(scores, scores.T):
        raise ValueError(f"scores must be a symmetric matrix (ops, ops) of finite numbers, got shape {scores.shape}")
