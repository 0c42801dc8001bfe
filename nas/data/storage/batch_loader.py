"""Processes that decode the next batches beside a training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from nas.data.inputs import Inputs, StoredInputs

_PREFETCHED = 2  # batches that each process decodes ahead
_SHARED = "/dev/shm"  # where batches are handed over
RowsOfStep = Callable[[int], Tensor]  # the rows of the batch of a step, int64, shape (batch,)


class BatchLoader:
    """Reads the batch of any step; those of consecutive steps are decoded ahead by processes of their own.

    Which samples a batch holds does not depend on the number of processes.

    Args:
        inputs: The inputs of all samples.
        rows_of: The rows of each step.
        processes: Number of processes; 0 reads in this one, and so do inputs that are decoded already.
    """

    def __init__(self, inputs: Inputs, rows_of: RowsOfStep, processes: int) -> None:
        self._inputs, self._rows_of = inputs, rows_of
        self._processes = processes if isinstance(inputs, StoredInputs) else 0
        self._ahead: Iterator[Tensor] | None = None
        self._next = -1
        self._last: tuple[int, Tensor] | None = None

    def load(self, step: int) -> Tensor:
        """The decoded inputs of the batch of a step, shape (batch, *shape).

        Raises:
            OSError: If the processes cannot hand over their batches, as too little memory can be shared.
        """
        if self._last is None or self._last[0] != step:
            self._last = (step, self._read(step))
        return self._last[1]

    def _read(self, step: int) -> Tensor:
        if not self._processes:
            return self._inputs.take(self._rows_of(step)).read()
        if self._last is not None and step != self._next:  # out of turn, such as for the gradients of a split
            return self._inputs.take(self._rows_of(step)).read()
        if self._ahead is None or step != self._next:
            self._ahead = self._start(step)
        self._next = step + 1
        return next(self._ahead)

    def _start(self, step: int) -> Iterator[Tensor]:
        rows = self._rows_of(step)
        needed = len(rows) * torch.Size(self._inputs.shape).numel() * self._processes * (_PREFETCHED + 1)
        if not shutil.disk_usage(_SHARED).free >= needed:
            raise OSError(
                f"{self._processes} loader processes need {needed / 2**20:,.0f} MiB of shared memory, {_SHARED} has "
                "less; enlarge it (docker run --shm-size), or set data.loaders to 0"
            )
        loader = DataLoader(
            _Decoded(self._inputs),
            batch_size=None,
            sampler=_StepsFrom(step, self._rows_of),
            num_workers=self._processes,
            prefetch_factor=_PREFETCHED,
            multiprocessing_context="forkserver",  # a fork would copy the threads' locks of this process
            worker_init_fn=_prepare,
        )
        return iter(loader)


class _Decoded(Dataset[Tensor]):
    """Batches by their rows."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self._inputs.take(rows).read()


class _StepsFrom(Sampler[Tensor]):
    """The rows of a step and of all later ones."""

    def __init__(self, step: int, rows_of: RowsOfStep) -> None:
        self._step, self._rows_of = step, rows_of

    def __iter__(self) -> Iterator[Tensor]:
        step = self._step
        while True:
            yield self._rows_of(step)
            step += 1


def _prepare(_number: int) -> None:
    torch.set_num_threads(1)
