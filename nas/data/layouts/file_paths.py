"""Paths of many files in little memory: a million of them as Python objects take hundreds of megabytes."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FilePaths:
    """Paths of n files: the bytes of all in one tensor.

    Processes that torch starts share tensors with the one that starts them, so they keep no copy.

    Attributes:
        root: The folder that most of the files are in.
        names: The paths, from the folder on or absolute, as the system encodes them, one after the other; uint8.
        ends: Where each path ends among the names, int64, shape (n,).
    """

    root: Path
    names: Tensor
    ends: Tensor

    @classmethod
    def of(cls, root: Path, paths: Iterable[Path]) -> FilePaths:
        """Collects paths.

        Args:
            root: The folder that most of the files are in.
            paths: The paths, of which one at a time need be in memory.
        """
        names, ends, folder = bytearray(), array("q"), str(root / "_")[:-1]
        for path in paths:
            name = str(path)  # texts, as pathlib takes long to compare millions of paths
            names += os.fsencode(name[len(folder) :] if folder and name.startswith(folder) else path.absolute())
            ends.append(len(names))
        return cls(root, _copy(names, torch.uint8), _copy(ends, torch.int64))

    @classmethod
    def join(cls, parts: Sequence[FilePaths]) -> FilePaths:
        """The paths of parts, one or more, one part after the other.

        Args:
            parts: Paths that have one root.
        """
        starts = [0, *torch.tensor([len(part.names) for part in parts]).cumsum(0).tolist()]
        ends = [part.ends + start for part, start in zip(parts, starts, strict=False)]
        return cls(parts[0].root, torch.cat([part.names for part in parts]), torch.cat(ends))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> Path:
        return self._decode(int(self.ends[row - 1]) if row else 0, int(self.ends[row]))

    def __iter__(self) -> Iterator[Path]:
        yield from (self._decode(*span) for span in pairwise([0, *self.ends.tolist()]))

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        return self.names.nbytes + self.ends.nbytes

    def _decode(self, start: int, end: int) -> Path:
        return self.root / os.fsdecode(self.names[start:end].numpy().tobytes())


def _copy(buffer: bytearray | array[int], kind: torch.dtype) -> Tensor:
    """A tensor of the content, in memory of just its size; torch makes none of an empty buffer."""
    return torch.frombuffer(buffer, dtype=kind).clone() if len(buffer) else torch.empty(0, dtype=kind)
