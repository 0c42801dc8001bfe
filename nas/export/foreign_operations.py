"""Replacements, for the export, of operations that other packages define and torch's exporter does not know.

Such operations are opaque nodes of a network graph. In torch they run unchanged; only an export replaces them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


def multiply_by_groups(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """The product of each row with the matrix of its group, as in mixtures of experts.

    Every row is multiplied by the matrices of all groups, and the product with its own group is kept: the sizes of
    groups depend on the input, but the shapes in an exported graph must not.

    Args:
        rows: Rows sorted by group, shape (rows, in).
        weights: One matrix for each group, shape (groups, in, out).
        ends: For each group the index behind its last row, shape (groups,).

    Returns:
        One product for each row, shape (rows, out).
    """
    group = (ends[None, :] <= torch.arange(rows.shape[0])[:, None]).sum(1)
    every = rows @ weights
    picked = group[None, :, None].expand(1, rows.shape[0], weights.shape[2])
    return every.gather(0, picked)[0]


FOREIGN_OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "transformers.grouped_mm_fallback.default": multiply_by_groups,
}


class ForeignOperation(nn.Module):
    """A module that runs the replacement of an operation that the exporter does not know.

    Args:
        target: Name of the operation, a key of `FOREIGN_OPERATIONS`.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        self.run = FOREIGN_OPERATIONS[target]

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)
