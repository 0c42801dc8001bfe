"""A folder of decoded inputs in files that are mapped into memory, within a budget of bytes."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.inputs import Inputs, StoredInputs, hash_stored
from nas.data.layouts.records import Records
from nas.files import atomic_write

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 256  # inputs that are decoded at a time
_IN_USE_S = 24 * 3600.0  # another run may be at work with a file that was used within a day
_SPARE = 2**30  # bytes of a disk that are left free


@dataclass(frozen=True)
class Cache:
    """Where decoded inputs are kept for later epochs, other processes and other runs.

    Attributes:
        folder: The folder; None keeps nothing.
        budget_bytes: The most that all of its files take together.
    """

    folder: Path | None = None
    budget_bytes: int = 0

    def keep(self, inputs: StoredInputs) -> Inputs:
        """The same inputs, decoded once into a file; as they are if that does not fit, or nobody can tell them apart.

        A file that was made before, from files of equal paths, sizes and times, is used again. Those that were not used
        for a day make room.

        Args:
            inputs: Inputs that are decoded when they are read.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If an input cannot be decoded.
        """
        needed = inputs.decoded_bytes
        if self.folder is None or not needed <= self.budget_bytes:
            return inputs
        if inputs.records.files is None:
            return inputs
        order = inputs.rows.argsort()
        stored = inputs.take(order)  # in the order in which it is read quickest, whatever the order of its use
        path = self.path_of(inputs.records, f"{inputs.decoder!r} {_digest(stored.rows)}", ".npy")
        kept = MappedInputs(path, stored, order.argsort())
        if not kept.is_whole():
            if not self.make_room(needed):
                return inputs
            _write(path, stored)
        return kept

    def path_of(self, records: Records, form: str, suffix: str) -> Path:
        """The path of a kept file, whose name follows from what it is made of.

        Args:
            records: The samples that it holds: paths, sizes and times of their files count, and the first samples, as a
                file may hold others, too, such as in another column.
            form: The form in which it holds them.
            suffix: End of the name.
        """
        assert self.folder is not None
        assert records.files is not None
        found = hashlib.blake2b(f"{version('nas')} {form}".encode(), digest_size=16)
        for stored in next(records.scan(), []):
            found.update(hash_stored(stored))
        for file in records.files:  # of millions of files it would take minutes to follow links
            facts = file.stat()
            found.update(f"{file.absolute()}\n{facts.st_size} {facts.st_mtime_ns}\n".encode())
        return self.folder / f"{found.hexdigest()}{suffix}"

    def make_room(self, needed: int) -> bool:
        """Removes files that were not used for a day, the oldest first, until others fit the budget.

        Args:
            needed: Size of what is to be kept, in bytes.

        Returns:
            Whether it fits the budget and the disk.
        """
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {}
        for file in self.folder.iterdir():  # drafts of processes that were killed are among them
            with suppress(FileNotFoundError):  # another process makes room, too
                facts[file] = file.stat()
        total = sum(one.st_size for one in facts.values())
        for file, one in sorted(facts.items(), key=lambda item: item[1].st_mtime):
            if total + needed <= self.budget_bytes or time.time() - one.st_mtime < _IN_USE_S:
                break
            total -= one.st_size
            file.unlink(missing_ok=True)  # a process that has mapped it keeps its content
        return total + needed <= self.budget_bytes and shutil.disk_usage(self.folder).free > needed + _SPARE


@dataclass(frozen=True)
class MappedInputs(Inputs):
    """Decoded inputs in a file that is mapped into memory.

    Attributes:
        path: The file, in the format of NumPy.
        source: Where they were decoded from.
        rows: Rows of the file, int64, shape (n,).
    """

    path: Path
    source: StoredInputs
    rows: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.source.shape

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Tensor | slice) -> MappedInputs:
        """The inputs at row indices of shape (k,), or of a slice; nothing is read."""
        return MappedInputs(self.path, self.source, self.rows[rows])

    def read(self) -> Tensor:
        """Copies all of these inputs into memory, shape (n, *shape)."""
        mapped = _open(self.path)
        os.utime(self.path)  # in use
        found = torch.from_numpy(mapped[self.rows.numpy()])
        # pages that were read stay in the cache of the system, and no longer count for this process
        mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
        return self.source.decoder.arrange(found)

    @property
    def blocks(self) -> Tensor | None:
        """The blocks of the source: the order of an epoch must not depend on what is kept."""
        return self.source.take(self.rows).blocks

    @property
    def blocks_per_window(self) -> int:
        """That of the source."""
        return self.source.blocks_per_window

    def spread(self, count: int) -> MappedInputs:
        """Those that the source would give, which lie here in stored order."""
        rows = self.rows.sort().values
        return MappedInputs(self.path, self.source, rows[:: max(1, -(-len(rows) // count))])

    def update(self, digest: _Hash, content: str | None = None) -> None:
        """Adds what the stored inputs add."""
        self.source.take(self.rows).update(digest, content)

    def is_whole(self) -> bool:
        """Whether the file is there, and of the size that it must have."""
        try:
            return len(_open(self.path)) == len(self.source)
        except (OSError, ValueError):
            return False


@lru_cache(maxsize=8)
def _open(path: Path) -> NDArray[Any]:
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _digest(rows: Tensor) -> str:
    return hashlib.blake2b(rows.numpy().tobytes(), digest_size=16).hexdigest()


def _write(path: Path, inputs: StoredInputs) -> None:
    """Decodes all inputs into a file, which is written piece by piece: mapped pages would count for this process."""
    with atomic_write(path) as draft, draft.open("wb") as file:
        chunk = np.empty((_CHUNK, *inputs.decoder.array_shape), inputs.decoder.array_dtype)
        header = {"descr": chunk.dtype.str, "fortran_order": False, "shape": (len(inputs), *chunk.shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(inputs), _CHUNK):
            part = inputs.take(slice(start, start + _CHUNK))
            part.read_into(chunk[: len(part)])
            file.write(chunk[: len(part)].tobytes())
