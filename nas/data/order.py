"""The order of samples in an epoch: a function of a generator alone, that reads files block by block."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.data.inputs import Inputs


def order_samples(inputs: Inputs, generator: torch.Generator) -> Tensor:
    """Rows of all inputs in random order, int64, shape (n,).

    Where blocks of rows are read together, such as row groups of Parquet files, blocks are put in random order, joined
    into windows of a bounded size, and the rows of a window are put in random order: a reader has one window at a time
    in memory. Else the order is a random permutation.

    Args:
        inputs: The inputs, n of them.
        generator: Draws the order; on the CPU.
    """
    if inputs.blocks is None:
        return torch.randperm(len(inputs), generator=generator)
    found, block = inputs.blocks.unique(return_inverse=True)
    place = torch.empty_like(found)
    place[torch.randperm(len(found), generator=generator)] = torch.arange(len(found))
    window = place[block] // inputs.blocks_per_window
    return (window * len(inputs) + torch.randperm(len(inputs), generator=generator)).argsort()


def compare_mixing(inputs: Inputs, strata: Tensor) -> tuple[float, float]:
    """How often two samples are of one stratum, such as a class: in random order together, and anywhere.

    The inverse of such a probability is an effective number of strata (Simpson's index): of equally large ones, how
    many they are. Where files are sorted by class, a window of the order holds about as many as it has blocks.

    Args:
        inputs: The inputs, n of them.
        strata: Index of the stratum of each input, int64, shape (n,).

    Returns:
        The probability for two samples of a window of the order, and for any two.
    """
    sizes = strata.bincount()
    pairs, equal = _count_pairs(strata.new_tensor([len(strata)])), _count_pairs(sizes)
    overall = equal / max(1.0, pairs)
    if inputs.blocks is None:
        return overall, overall
    block = inputs.blocks.unique(return_inverse=True)[1]
    blocks, window = block.bincount(), inputs.blocks_per_window
    if window >= len(blocks):
        return overall, overall
    inside = _count_pairs(blocks)
    equal_inside = _count_pairs((block * len(sizes) + strata).unique(return_counts=True)[1])
    within, between = equal_inside / max(1.0, inside), (equal - equal_inside) / max(1.0, pairs - inside)
    return within / window + between * (1 - 1 / window), overall


def _count_pairs(sizes: Tensor) -> float:
    """Number of ordered pairs of two samples of one group, of groups of these sizes."""
    return float((sizes.double() * (sizes - 1)).sum())


def share_rows(inputs: Inputs, order: Tensor, batch_size: int, rank: int, size: int) -> Tensor:
    """The rows of an epoch that one process of a team reads, batch by batch, shape (steps, batch_size / size).

    Shares of different processes are disjoint. Where blocks are read together, each process reads a run of the order of
    its own, and so blocks of its own but for those at the borders; else it reads every `size`-th row of each batch.

    Args:
        inputs: The inputs, n of them.
        order: All rows in the order of the epoch, shape (n,).
        batch_size: Number of samples of a batch, over all processes; a multiple of `size`.
        rank: Index of the process.
        size: Number of processes.
    """
    steps = len(order) // batch_size
    whole = order[: steps * batch_size]
    if inputs.blocks is None:
        return whole.view(steps, batch_size // size, size)[:, :, rank]
    return whole.view(size, steps, batch_size // size)[rank]
