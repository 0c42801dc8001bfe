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
