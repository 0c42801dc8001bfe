"""Who trains together: one process, or several that average their gradients.

In: gradients. Out: the same gradients, averaged over all members. Knows no network and no cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class Team(Protocol):
    """The members of one data-parallel training."""

    @property
    def rank(self) -> int:
        """Number of this member, from 0."""

    @property
    def size(self) -> int:
        """Members in all."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces every tensor by its mean over the members, the same bits in all of them."""


class Alone:
    """One process."""

    rank, size = 0, 1

    def average(self, tensors: Sequence[Tensor]) -> None:
        """The mean over one member is what it has."""


class ProcessGroup:
    """The members of the default process group of `torch.distributed`, which must be initialised."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = "cuda" if dist.get_backend() == "nccl" else "cpu"

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces every tensor by its mean over the members, by one exchange of all of them."""
        flat = torch.cat([tensor.flatten() for tensor in tensors]).to(self._device)
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))
