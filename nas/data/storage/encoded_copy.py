"""A copy of encoded samples that any row can be read from: of files whose blocks are too large to be in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.decoding.decoder import Stored
from nas.data.layouts.records import Records
from nas.data.storage.cache import Cache
from nas.files import atomic_write
from nas.tasks.task import RawLabels

MOST_BLOCK_BYTES = 128 * 2**20  # of a block of rows that a reader takes into memory


@dataclass(frozen=True)
class CopiedRecords(Records):
    """Encoded samples, one after the other in a file.

    Attributes:
        path: The file.
        labels: The label of each sample.
        originals: The files that were copied.
    """

    path: Path
    labels: RawLabels
    originals: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...] | None:
        """The files that were copied."""
        return self.originals

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The samples at rows, one reading for each."""
        ends = _read_ends(self.path.with_suffix(".ends"))
        os.utime(self.path)  # in use
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return [os.pread(file, int(ends[row + 1] - ends[row]), int(ends[row])) for row in rows]
        finally:
            os.close(file)


def copy_large_blocks(records: Records, cache: Cache) -> Records:
    """The same records; where a block of rows is too large to be in memory, they are copied once, in bounded memory.

    Args:
        records: Samples as they are stored.
        cache: The folder of the copy, and its budget.

    Raises:
        ValueError: If they must be copied, and are no encoded samples or do not fit the budget.
    """
    if records.block_bytes <= MOST_BLOCK_BYTES:
        return records
    source, files = records.labels.source, tuple(records.files or ())
    size = sum(file.stat().st_size for file in files)
    if not files or cache.folder is None or not size <= cache.budget_bytes:
        raise ValueError(
            f"row groups must have at most {MOST_BLOCK_BYTES // 2**20} MiB, got {records.block_bytes // 2**20} MiB in "
            f"{source}; write it with smaller ones, such as row_group_size=1000, or let it be copied by a "
            f"data.cache_gb of {size / 1e9 + 0.1:.1f} or more"
        )
    path = cache.path_of(records, "encoded", ".bin")
    copied = CopiedRecords(path, records.labels, files)
    if not (path.exists() and path.with_suffix(".ends").exists()):
        if not cache.make_room(size):
            raise OSError(f"{cache.folder} has no room for a copy of {source}; free some space, or raise data.cache_gb")
        _copy(records, path)
    return copied


def _copy(records: Records, path: Path) -> None:
    ends = np.zeros(len(records) + 1, np.int64)
    with atomic_write(path) as draft, draft.open("wb") as file:
        row = 0
        for samples in records.scan():
            for sample in samples:
                if not isinstance(sample, bytes):
                    kind = type(sample).__name__
                    raise ValueError(f"{records.where(row)} is no encoded image: got {kind}, not bytes")
                row += 1
                ends[row] = ends[row - 1] + file.write(sample)
    with atomic_write(path.with_suffix(".ends")) as draft, draft.open("wb") as file:
        np.save(file, ends, allow_pickle=False)


@lru_cache(maxsize=8)
def _read_ends(path: Path) -> NDArray[np.int64]:
    ends: NDArray[np.int64] = np.load(path, allow_pickle=False)
    return ends
