"""What a data set holds, as a value, and as the lines in which it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

_SHOWN = 4  # kinds that a line names; `nas data` lists all


@dataclass(frozen=True)
class Outputs:
    """The labels of a split.

    Attributes:
        samples: Number of samples.
        counts: Samples of each class, or with each of several labels; empty where labels are numbers, or none.
        ranges: The least, mean and greatest value of each output, where labels are numbers; else empty.
    """

    samples: int
    counts: tuple[int, ...] = ()
    ranges: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Survey:
    """What a data set holds.

    Attributes:
        names: Names of the outputs, such as classes.
        splits: The labels of `train`, `validation` and `test`.
        least: Least width and least height of all stored images in pixels; of texts, the least number of characters.
        median: Median width and height.
        most: Greatest width and height.
        sizes: Number of different sizes.
        not_square: Number of stored images that are not square.
        kinds: Number of stored samples of each format and mode, such as `JPEG RGB`; the most frequent one comes first.
        contents: A hash of the stored samples of each split, in the order in which the split has them.
        warnings: What may be wrong, a line each.
    """

    names: tuple[str, ...]
    splits: Mapping[str, Outputs]
    least: tuple[int, int]
    median: tuple[int, int]
    most: tuple[int, int]
    sizes: int
    not_square: int
    kinds: Mapping[str, int]
    contents: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def side(self) -> int | None:
        """Height and width of all images; None if they differ, or are not square."""
        return self.least[0] if self.sizes == 1 and self.least[0] == self.least[1] else None

    def to_json(self) -> dict[str, Any]:
        """The survey as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: object) -> Survey:
        """The survey that `to_json` gave.

        Raises:
            ValueError: If it is none.
        """
        return TypeAdapter(cls).validate_python(stored)

    def describe_samples(self) -> str:
        """The numbers of samples and classes, in a line."""
        sizes = [f"{outputs.samples:,} {use}" for use, outputs in zip(_USES, self.splits.values(), strict=True)]
        counts = self.splits["train"].counts
        if not self.names:
            return f"{', '.join(sizes)}; without labels"
        if not counts:
            return f"{', '.join(sizes)}; {len(self.names)} outputs: {_list(self.names)}"
        least, most = min(counts), max(counts)
        each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return f"{', '.join(sizes)}; {len(counts)} classes with {each} training samples each"

    def describe_inputs(self) -> str:
        """Sizes and modes, in a line."""
        kinds = _list([f"{kind} ({count:,})" if len(self.kinds) > 1 else kind for kind, count in self.kinds.items()])
        if "text" in self.kinds:
            return f"texts of {self.least[0]:,} to {self.most[0]:,} characters, median {self.median[0]:,}"
        size = f"{_size(self.least)} pixels"
        if self.sizes > 1:
            size = f"{_size(self.least)} to {_size(self.most)} pixels, median {_size(self.median)}"
        square = f", {self.not_square:,} of them not square" if self.not_square else ""
        return f"images of {size}{square}; {kinds}"


_USES = ("for training", "for validation", "for testing")


def _size(size: Sequence[int]) -> str:
    return f"{size[0]:,}x{size[1]:,}"


def _list(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
