"""Draws which samples are for training, for validation and for testing, by strata such as classes."""

from __future__ import annotations

import torch
from torch import Tensor

_HELD_OUT = 0.2  # share of the samples for validation and, if the data set has no test set, for testing


def hold_out(strata: Tensor, split_seed: int) -> tuple[Tensor, Tensor]:
    """A random fifth of the samples, with the shares of the strata kept up to rounding, and the remaining ones.

    Args:
        strata: Index of the stratum of each sample, such as its class, int64, shape (n,).
        split_seed: Seed of the choice.

    Returns:
        Rows that are held out and rows that remain, both int64 and in the same random order.
    """
    order = torch.randperm(len(strata), generator=torch.Generator().manual_seed(split_seed))
    shuffled = strata[order]
    by_stratum = shuffled.argsort(stable=True)
    counts = torch.bincount(shuffled) if len(shuffled) else torch.zeros(0, dtype=torch.int64)
    starts = counts.cumsum(0) - counts
    # position of a sample within its stratum, from 0 to 1: the lowest fifth of all is held out
    rank = torch.empty(len(strata))
    position = torch.arange(len(strata)) - starts[shuffled[by_stratum]]
    rank[by_stratum] = (position + 0.5) / counts[shuffled[by_stratum]]
    first = int(len(strata) * _HELD_OUT)
    by_rank = rank.argsort(stable=True)
    return order[by_rank[:first].sort().values], order[by_rank[first:].sort().values]


def balance(strata: Tensor, limit: int, split_seed: int) -> Tensor:
    """Rows of at most `limit` samples, as many of each stratum as there are and as the others have, in stored order.

    Args:
        strata: Index of the stratum of each sample, such as its class, int64, shape (n,).
        limit: Number of samples.
        split_seed: Seed of the choice within the strata.
    """
    if limit >= len(strata):
        return torch.arange(len(strata))
    order = torch.randperm(len(strata), generator=torch.Generator().manual_seed(split_seed))
    by_stratum = order[strata[order].argsort(stable=True)]
    counts = torch.bincount(strata)
    starts = counts.cumsum(0) - counts
    # the first of every stratum come before the second of every stratum, and so on
    position = torch.arange(len(strata)) - starts[strata[by_stratum]]
    return by_stratum[position.argsort(stable=True)[:limit]].sort().values


def shuffle(rows: Tensor, split_seed: int) -> Tensor:
    """Rows in random order.

    Args:
        rows: Row indices, int64, shape (n,).
        split_seed: Seed of the order.
    """
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(split_seed))]
