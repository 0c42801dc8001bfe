"""The team of processes that train together: one process, or several that average their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class Team(Protocol):
    """The processes of one data-parallel training."""

    @property
    def rank(self) -> int:
        """Index of this process."""

    @property
    def size(self) -> int:
        """Number of processes."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces every tensor, of any shape, by its mean over the processes, equal in all of them to the last bit."""


class SingleProcess:
    """One process that trains alone."""

    rank, size = 0, 1

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Leaves tensors of any shape as they are: each is its own mean."""


class TorchProcesses:
    """The processes of the default group of `torch.distributed`, which must be initialised."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = "cuda" if dist.get_backend() == "nccl" else "cpu"

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces every tensor, of any shape, by its mean over the processes, in one exchange of all tensors."""
        flat = torch.cat([tensor.flatten() for tensor in tensors]).to(self._device)
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))
