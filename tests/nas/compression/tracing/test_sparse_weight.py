"""The smallest weights become zero, the others stay as they are."""

from __future__ import annotations

import torch

from nas.compression.tracing.sparse_weight import prune_weight
from search_spaces.sparsity import GroupedSparsity, UnstructuredSparsity


def test_the_smallest_of_a_layer_are_zero() -> None:
    weight = torch.tensor([[3.0, -1.0, 0.5], [-4.0, 2.0, -0.1]])
    found = prune_weight(weight, UnstructuredSparsity(0.5))
    assert torch.equal(found, torch.tensor([[3.0, 0.0, 0.0], [-4.0, 2.0, 0.0]]))
    assert torch.equal(prune_weight(torch.ones(2, 3), UnstructuredSparsity(0.34)).flatten()[:2], torch.zeros(2))


def test_each_group_of_inputs_keeps_its_largest() -> None:
    weight = torch.randn(6, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    found = prune_weight(weight, GroupedSparsity(2, 4))
    kept = (found != 0).unflatten(1, (2, 4))
    assert (kept.sum(2) == 2).all()
    groups = weight.unflatten(1, (2, 4)).abs()
    smallest_kept, largest_zero = groups.masked_fill(~kept, 9.0).amin(2), groups.masked_fill(kept, 0.0).amax(2)
    assert (smallest_kept >= largest_zero).all()
    assert torch.equal(found[found != 0], weight[found != 0])
