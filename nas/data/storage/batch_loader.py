"""Processes that decode the next batches beside a training."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from nas.data.inputs import Inputs, StoredInputs

_PREFETCHED = 2  # batches that each process decodes ahead
_SHARED = "/dev/shm"  # where Linux keeps memory that processes share
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
        """The decoded inputs of the batch of a step, shape (batch, *shape); valid until the next is loaded.

        Raises:
            OSError: If the processes cannot hand over their batches, as too little memory can be shared.
            ValueError: If a sample cannot be decoded; the message names its place.
        """
        if self._last is None or self._last[0] != step:
            self._last = (step, self._read(step))
        return self._last[1]

    def _read(self, step: int) -> Tensor:
        in_turn = self._last is None or step == self._next  # else such as for the gradients of a split
        if not self._processes or not in_turn:
            return self._inputs.take(self._rows_of(step)).read()
        if self._ahead is None:
            self._ahead = self._start(step)
        self._next = step + 1
        return next(self._ahead)

    def _start(self, step: int) -> Iterator[Tensor]:
        """The batches of a step and all later ones.

        Processes decode into slots of shared memory, which are used in turn: fresh memory for each batch would cost
        half as much time as to decode it. One batch more than are in the making is in use.
        """
        inputs, count, slots = self._inputs, len(self._rows_of(step)), self._processes * _PREFETCHED + 1
        assert isinstance(inputs, StoredInputs)
        shape = (slots, count, *inputs.decoder.array_shape)
        needed = torch.Size(shape).numel() * inputs.decoder.dtype.itemsize + inputs.shared_bytes
        if Path(_SHARED).exists() and not shutil.disk_usage(_SHARED).free >= needed:
            raise OSError(
                f"{self._processes} loader processes need {needed / 2**20:,.0f} MiB of shared memory, {_SHARED} has "
                "less; enlarge it (docker run --shm-size), or set data.loaders to 0"
            )
        shared = torch.empty(shape, dtype=inputs.decoder.dtype).share_memory_()
        loader = DataLoader(
            _Decoded(inputs, shared),
            batch_size=None,
            sampler=_StepsFrom(step, self._rows_of),
            num_workers=self._processes,
            prefetch_factor=_PREFETCHED,
            # a fork would copy the locks of threads, and what a fork server starts outlives a process that is killed
            multiprocessing_context="spawn",
            worker_init_fn=_prepare,
        )
        for number in loader:
            if isinstance(number, str):
                raise ValueError(number)
            yield inputs.decoder.arrange(shared[number % slots])


class _Decoded(Dataset[int | str]):
    """Decodes the batch of a number, whose rows come with it, into its slot; gives a line where that is impossible."""

    def __init__(self, inputs: StoredInputs, shared: Tensor) -> None:
        self._inputs, self._shared = inputs, shared

    def __getitem__(self, batch: tuple[int, NDArray[np.int64]]) -> int | str:
        number, rows = batch
        try:
            self._inputs.take(torch.from_numpy(rows)).read_into(self._shared[number % len(self._shared)].numpy())
        except (ValueError, OSError) as error:  # the loader would wrap it in the trace of this process
            return str(error)
        return number


class _StepsFrom(Sampler[tuple[int, NDArray[np.int64]]]):
    """The number of each batch, from 0, and the rows of a step and of all later ones."""

    def __init__(self, step: int, rows_of: RowsOfStep) -> None:
        self._step, self._rows_of = step, rows_of

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        for number in itertools.count():
            yield number, self._rows_of(self._step + number).numpy()


def _prepare(_number: int) -> None:
    """What a process is told before it reads. Arrow's own memory is given back and cleared anew for every row group."""
    torch.set_num_threads(1)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    gc.collect()
    gc.freeze()  # what was imported stays; to walk it again and again takes a tenth of the time to decode
