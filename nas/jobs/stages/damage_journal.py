"""What was measured of the damage of policies so far, in a file that a killed job goes on with."""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

from nas.files import atomic_write
from search_spaces.candidate import Candidate


@dataclass(frozen=True)
class MeasuredDamage:
    """The damage of a policy.

    Attributes:
        damage: In the unit of the sensitivity metric; it may be below 0 where the network gets better.
        seconds: Time that its measurement took in a worker.
    """

    damage: float
    seconds: float


class NotMeasurable(ValueError):
    """The damage of a policy of a layer is no number by a sensitivity metric; others may well measure it."""


class DamageJournal:
    """A file with a row for every measured policy, written at once.

    A row counts if its checksum is that of its values: one that was being written when the job was killed does not, and
    is measured again.

    Args:
        path: The file, which may not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, MeasuredDamage]:
        """What was measured, by the key of the candidate; rows that do not count are removed from the file.

        Raises:
            OSError: If the file cannot be read or written.
        """
        if not self._path.exists():
            return {}
        with self._path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = [*csv.reader(line.replace("\0", "") for line in file)]
        whole = [row for row in rows if len(row) == 4 and row[3] == _checksum(row[:3])]
        with atomic_write(self._path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(whole)
        return {key: MeasuredDamage(float(damage), float(seconds)) for key, damage, seconds, _ in whole}

    def add(self, key: str, found: MeasuredDamage) -> None:
        """Appends a row.

        Args:
            key: The key of the candidate.
            found: What was measured of it.

        Raises:
            OSError: If the file cannot be written.
        """
        row = [key, repr(found.damage), repr(found.seconds)]
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([*row, _checksum(row)])


def name_entry(candidate: Candidate) -> str:
    """The name of the entry of a candidate with one compressed layer or one narrower group."""
    return f"alone {candidate.key}"


def name_policy(candidate: Candidate) -> str:
    """The name of a policy of all layers, which may be equal to that of an entry and is measured otherwise."""
    return f"whole {candidate.key}"


def _checksum(row: list[str]) -> str:
    return f"{zlib.crc32(','.join(row).encode()):08x}"
