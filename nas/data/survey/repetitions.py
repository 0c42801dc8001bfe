"""Samples that occur twice: within the training samples, with different labels, and in two splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nas.data.layouts.records import Records

Hashes = NDArray[np.uint64]
_MOST_SHARED = 0.5  # share of the samples of a split that may be training samples, too: beyond, it measures memory


@dataclass(frozen=True)
class HashedSplit:
    """The samples of a split, and the hashes of their contents.

    Attributes:
        records: The stored samples.
        rows: Rows of the records, int64, shape (n,).
        labels: Labels of the samples, shape (n, ...).
        hashes: A hash of each stored sample, 64 bits, shape (n,): of a million samples, two of different content agree
            with a chance of 1 to 40 million.
    """

    records: Records
    rows: Tensor
    labels: Tensor
    hashes: Hashes

    def where(self, position: int) -> str:
        """The place of a sample of the split."""
        return self.records.where(int(self.rows[position]))


def find_repetitions(splits: Mapping[str, HashedSplit]) -> list[str]:
    """Lines on samples that occur twice, with two examples each.

    Args:
        splits: `train`, `validation` and `test`.

    Raises:
        ValueError: If half or more of validation or test samples that are stored apart are training samples.
    """
    lines = _find_within(splits["train"])
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        if line := _find_between(name, splits[name], other, splits[other]):
            lines.append(line)
    return lines


def _find_within(train: HashedSplit) -> list[str]:
    order = train.hashes.argsort(kind="stable")
    again = np.flatnonzero(train.hashes[order[1:]] == train.hashes[order[:-1]])
    if not len(again):
        return []
    pairs = np.stack([order[again], order[again + 1]], axis=1)
    lines = [f"{len(pairs):,} training samples occur more than once: {_show_pairs(train, pairs, train)}"]
    first, second = (train.labels[pairs[:, side]].reshape(len(pairs), train.labels[0].numel()) for side in (0, 1))
    differ = pairs[(first != second).any(1).numpy()]
    if len(differ):
        lines.append(
            f"{len(differ):,} training samples occur again with another label: {_show_pairs(train, differ, train)}"
        )
    return lines


def _find_between(name: str, split: HashedSplit, other_name: str, other: HashedSplit) -> str | None:
    shared = np.flatnonzero(np.isin(split.hashes, other.hashes))
    if not len(shared):
        return None
    order = other.hashes.argsort(kind="stable")
    places = order[np.searchsorted(other.hashes[order], split.hashes[shared[:2]])]
    examples = _show_pairs(split, np.stack([shared[:2], places], axis=1), other)
    line = f"{len(shared):,} of {len(split.hashes):,} {name} samples are {_WORDS[other_name]} samples, too: {examples}"
    stored_apart = split.records is not other.records  # else the split was drawn from samples that repeat
    if other_name == "train" and stored_apart and not len(shared) < _MOST_SHARED * len(split.hashes):
        raise ValueError(f"{name} samples must be others than those of the training, and {line}")
    return line


_WORDS = {"train": "training", "validation": "validation"}


def _show_pairs(split: HashedSplit, pairs: NDArray[np.int64], other: HashedSplit) -> str:
    return "; ".join(f"{split.where(int(one))} and {other.where(int(two))}" for one, two in pairs[:2])
