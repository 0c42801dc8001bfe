"""Operations of other packages that torch's exporter does not know, by operations that it does.

They come into a graph as opaque nodes. In torch they run as they are; only what is exported is put in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


def multiply_by_groups(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """The product of each row with the matrix of its group, as in mixtures of experts.

    All groups are computed for all rows and one is picked: sizes of groups depend on the input, and an exported graph
    has fixed ones.

    Args:
        rows: Sorted by group, shape (rows, in).
        weights: One matrix for each group, shape (groups, in, out).
        ends: One after the last row of each group, shape (groups,).
    """
    group = (ends[None, :] <= torch.arange(rows.shape[0])[:, None]).sum(1)
    every = rows @ weights
    picked = group[None, :, None].expand(1, rows.shape[0], weights.shape[2])
    return every.gather(0, picked)[0]


FOREIGN_OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "transformers.grouped_mm_fallback.default": multiply_by_groups,
}


class ForeignOperation(nn.Module):
    """An opaque node whose operation the exporter does not know; its inputs are the arguments in turn.

    Args:
        target: The name of the operation.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        self.run = FOREIGN_OPERATIONS[target]

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)
