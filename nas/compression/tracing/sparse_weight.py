"""Zeros in weights: which ones a policy makes zero, by their magnitude."""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.sparsity import GroupedSparsity, Sparsity


@torch.no_grad()
def prune_weight(weight: Tensor, sparsity: Sparsity) -> Tensor:
    """A weight in which the weights of the smallest magnitude are zero; those that are kept are as they were.

    Unstructured zeros are those of the whole layer (Han et al., 2015); n:m sparsity keeps the largest of each group of
    consecutive input channels, for each output channel and each place of the kernel. Of equal magnitudes the first are
    zero.

    Args:
        weight: Shape (out, in, ...).
        sparsity: Share or pattern of the zeros.
    """
    if isinstance(sparsity, GroupedSparsity):
        groups = weight.unflatten(1, (-1, sparsity.group))
        order = groups.abs().argsort(dim=2, stable=True)
        zeros = torch.zeros_like(groups, dtype=torch.bool)
        zeros.scatter_(2, order[:, :, : sparsity.group - sparsity.kept], True)
        return weight.masked_fill(zeros.flatten(1, 2), 0.0)
    zeros = torch.zeros(weight.numel(), dtype=torch.bool, device=weight.device)
    zeros[weight.abs().flatten().argsort(stable=True)[: weight.numel() - sparsity.count_kept(weight.numel())]] = True
    return weight.masked_fill(zeros.view_as(weight), 0.0)
