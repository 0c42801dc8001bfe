"""Records of several files as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path

from nas.data.decoding.decoder import Stored
from nas.data.layouts.records import Records, group_rows
from nas.tasks.task import RawLabels


@dataclass(frozen=True)
class JoinedRecords(Records):
    """Records of several files, one after the other.

    Attributes:
        parts: The records of each file, one or more.
    """

    parts: tuple[Records, ...]

    @cached_property
    def labels(self) -> RawLabels:  # type: ignore[override]  # computed, not stored
        """The labels of all parts."""
        values = [value for part in self.parts for value in part.labels.values]
        source = self.parts[0].labels.source
        more = f" and {len(self.parts) - 1} more" if len(self.parts) > 1 else ""
        return RawLabels(values, self._find_place, source + more)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return tuple(accumulate(map(len, self.parts), initial=0))

    @property
    def block_sizes(self) -> tuple[int, ...] | None:
        """The blocks of all parts; None if any row is read alone."""
        sizes = [part.block_sizes for part in self.parts]
        return None if None in sizes else tuple(size for part in sizes if part is not None for size in part)

    @property
    def block_bytes(self) -> int:
        """The largest block of all parts."""
        return max(part.block_bytes for part in self.parts)

    @property
    def files(self) -> Iterable[Path] | None:
        """The files of all parts; None if one comes from elsewhere."""
        files = [part.files for part in self.parts]
        return None if None in files else chain.from_iterable(part for part in files if part is not None)

    @property
    def shared_bytes(self) -> int:
        """That of all parts together."""
        return sum(part.shared_bytes for part in self.parts)

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The samples at rows, those of each part in one call."""
        found: list[Stored] = [None] * len(rows)
        for number, places, own in group_rows(self._starts, rows):
            for place, stored in zip(places, self.parts[number].read(own), strict=True):
                found[place] = stored
        return found

    def scan(self) -> Iterator[list[Stored]]:
        """All samples of all parts in order."""
        for part in self.parts:
            yield from part.scan()

    def _find_place(self, row: int) -> str:
        number = bisect_right(self._starts, row) - 1
        return self.parts[number].where(row - self._starts[number])
