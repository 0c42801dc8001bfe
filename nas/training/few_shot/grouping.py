"""Groupings of the values of a gene, so that values that agree least come into different groups.

Source: Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR 2022, where a grouping is a min-cut
partition of the operations of an edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from nas.objectives import FloatArray

Grouping = tuple[tuple[int, ...], ...]  # groups of indices of values, each ascending, ordered by their first index

MOST_VALUES = 12  # enumeration is exact; 12 values take seconds at worst, and every further one several times as long
TIE = 1e-12  # sums closer than this fraction of all absolute scores differ by rounding only


def enumerate_groupings(values: int, groups: int) -> Iterator[Grouping]:
    """All admissible groupings of values, in lexicographic order of the group indices of the values.

    Every group has two values or more where there are at least twice as many values as groups, else one or more.

    Args:
        values: Number of values.
        groups: Number of groups.

    Raises:
        ValueError: If there are fewer than one group, more groups than values, or more than MOST_VALUES values.
    """
    if not 1 <= groups <= values:
        raise ValueError(f"groups must be between 1 and the number of values, got {groups} for {values} values")
    if values > MOST_VALUES:
        raise ValueError(
            f"groupings are enumerated for at most {MOST_VALUES} values, got {values}; leave out or merge some"
        )
    return _extend((), 0, values, groups, 2 if values >= 2 * groups else 1)


def choose_grouping(scores: FloatArray, groups: int) -> Grouping:
    """The admissible grouping with the least sum of scores between its groups, by enumeration.

    Args:
        scores: Agreement of each pair of values, shape (values, values), symmetric; the diagonal is not read.
        groups: Number of groups; see `enumerate_groupings` for their sizes.

    Returns:
        The first of equally good groupings in the order of `enumerate_groupings`; sums within TIE count as equal.

    Raises:
        ValueError: If the scores are not square, symmetric and finite, or as `enumerate_groupings` describes.
    """
    _check(scores)
    upper = np.triu(scores, 1)

    @cache
    def inside(group: tuple[int, ...]) -> float:
        return float(upper[np.ix_(group, group)].sum())

    # All pairs lie inside a group or between two, so the least sum between groups is the largest inside them.
    admissible = enumerate_groupings(len(scores), groups)
    best = next(admissible)
    best_sum, tie = sum(map(inside, best)), TIE * float(np.abs(upper).sum())
    for grouping in admissible:
        if (total := sum(map(inside, grouping))) > best_sum + tie:
            best, best_sum = grouping, total
    return best


def measure_separation(scores: FloatArray, grouping: Grouping) -> float:
    """The disagreement between groups: the mean of 1 - score over the pairs of values in different groups.

    A mean, not a sum: a leaf is split by the gene with the largest separation, and a sum would favour genes with many
    values.

    Args:
        scores: Agreement of each pair of values, shape (values, values), symmetric.
        grouping: Two groups or more that hold every value once.

    Returns:
        If scores are cosines, a number from 0, where all such pairs agree, to 2, where they oppose each other.

    Raises:
        ValueError: If the scores are not square, symmetric and finite, or the grouping has fewer than two groups or
            does not hold every value once.
    """
    _check(scores)
    if len(grouping) < 2 or sorted(value for group in grouping for value in group) != list(range(len(scores))):
        raise ValueError(f"a grouping needs two or more groups with each of {len(scores)} values once, got {grouping}")
    labels = np.empty(len(scores), dtype=np.intp)
    for label, group in enumerate(grouping):
        labels[list(group)] = label
    return float((1.0 - scores[labels[:, None] != labels]).mean())


def _extend(begun: Grouping, value: int, values: int, groups: int, least: int) -> Iterator[Grouping]:
    """All groupings that begin with `begun` and place the values from `value` on.

    A branch ends as soon as the remaining values cannot fill every group to its least size.
    """
    missing = least * (groups - len(begun)) + sum(max(0, least - len(group)) for group in begun)
    if missing > values - value:
        return
    if value == values:
        yield begun
        return
    for number, group in enumerate(begun):
        grown = (*begun[:number], (*group, value), *begun[number + 1 :])
        yield from _extend(grown, value + 1, values, groups, least)
    if len(begun) < groups:
        yield from _extend((*begun, (value,)), value + 1, values, groups, least)


def _check(scores: FloatArray) -> None:
    square = scores.ndim == 2 and scores.shape[0] == scores.shape[1]
    if not square or not np.isfinite(scores).all() or not np.allclose(scores, scores.T):
        raise ValueError(
            f"scores must be a symmetric matrix (values, values) of finite numbers, got shape {scores.shape}"
        )
