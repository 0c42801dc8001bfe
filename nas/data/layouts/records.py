"""Samples as they are stored: read by row, not decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.input_file import read_input
from nas.data.decoding.decoder import Stored
from nas.data.layouts.file_paths import FilePaths
from nas.tasks.task import RawLabels

_CHUNK = 64  # samples that a scan has in memory
_MOST_FILE_BYTES = 1 << 30  # of an encoded image: more than any that is decoded has


def group_rows(starts: Sequence[int], rows: Sequence[int]) -> Iterator[tuple[int, list[int], list[int]]]:
    """Rows by the part of a whole that holds them.

    Args:
        starts: First row of each part, and the number of all rows: parts + 1 numbers.
        rows: Row indices.

    Yields:
        The index of a part, the places of its rows among `rows`, and these rows counted from its start.
    """
    places: dict[int, list[int]] = {}
    for place, row in enumerate(rows):  # a part has one or two rows of a batch, for which arrays would cost more
        places.setdefault(bisect_right(starts, row) - 1, []).append(place)
    for part, found in sorted(places.items()):
        yield part, found, [rows[place] - starts[part] for place in found]


class Records(ABC):
    """The samples of a split as they are stored. Only labels are kept in memory.

    Records are sent to other processes, so they hold paths and numbers, not open files.

    Attributes:
        labels: The label of each sample.
    """

    labels: RawLabels

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The samples at row indices, in their order: bytes of encoded images, texts, or arrays.

        Raises:
            OSError: If a file cannot be read.
            ValueError: If a file has been changed or is damaged; the message names it.
        """

    def scan(self) -> Iterator[list[Stored]]:
        """All samples in order, some at a time."""
        for start in range(0, len(self), _CHUNK):
            yield self.read(range(start, min(start + _CHUNK, len(self))))

    def where(self, row: int) -> str:
        """The place of a sample, for messages."""
        return self.labels.where(row)

    @property
    def block_sizes(self) -> tuple[int, ...] | None:
        """Sizes of the blocks of consecutive rows that are read from disk together; None if any row is read alone."""
        return None

    @property
    def block_bytes(self) -> int:
        """Size in bytes of the largest block; 0 where any row is read alone."""
        return 0

    @property
    def files(self) -> Iterable[Path] | None:
        """All files that hold the samples; None if they come from elsewhere."""
        return None

    @property
    def shared_bytes(self) -> int:
        """Size of the tensors of the records, for which processes that are started with them share memory."""
        return 0


@dataclass(frozen=True)
class StoredSplits:
    """The splits of a data set as they are stored.

    Attributes:
        train: Samples for training, from which splits that are missing are taken.
        validation: Samples on which candidates are measured; None if the data set has none.
        test: Samples by which nothing is chosen; None if the data set has none.
        names: Names of the outputs, such as classes, in their order; None if they are not stated.
        notes: Lines on what was left out or seems to be missing.
    """

    train: Records
    validation: Records | None = None
    test: Records | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, records: Mapping[str, Records], names: tuple[str, ...] | None = None, notes: tuple[str, ...] = ()
    ) -> StoredSplits:
        """Splits by their names: `train`, and `validation` and `test` where they are there.

        Args:
            records: The samples of each split.
            names: Names of the outputs.
            notes: Lines on what was left out.
        """
        hidden = [split for split in records if split != "train" and _hides_labels(records[split].labels)]
        left = tuple(f"left out, as no label of it is known (all are -1 or missing): {split}" for split in hidden)
        kept = {split: part for split, part in records.items() if split not in hidden}
        return cls(kept["train"], kept.get("validation"), kept.get("test"), names, (*notes, *left))


def _hides_labels(labels: RawLabels) -> bool:
    """Whether labels are kept back, as those of test samples are in contests: `datasets` writes -1 then."""
    return all(value is None or (isinstance(value, int) and value == -1) for value in labels.values)


@dataclass(frozen=True)
class FileRecords(Records):
    """Samples in a file each.

    Attributes:
        paths: Path of each sample.
        labels: The label of each sample.
    """

    paths: FilePaths
    labels: RawLabels

    @property
    def files(self) -> Iterable[Path] | None:
        """The file of each sample."""
        return self.paths

    @property
    def shared_bytes(self) -> int:
        """Size of the paths."""
        return self.paths.nbytes

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The content of the files."""
        return [read_input(self.paths[row], _MOST_FILE_BYTES) for row in rows]


@dataclass(frozen=True)
class ArrayRecords(Records):
    """Samples in memory.

    Attributes:
        arrays: Shape (n, height, width) or (n, height, width, channels).
        labels: The label of each sample.
    """

    arrays: NDArray[np.generic]
    labels: RawLabels

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The arrays at rows."""
        return [self.arrays[row] for row in rows]


@dataclass(frozen=True)
class ValueRecords(Records):
    """Samples in memory that are small, such as texts.

    Attributes:
        values: The samples.
        labels: The label of each sample.
    """

    values: tuple[Stored, ...]
    labels: RawLabels

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The samples at rows."""
        return [self.values[row] for row in rows]
