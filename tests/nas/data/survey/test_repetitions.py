"""Samples that occur twice are said with examples; a test set that was trained on is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nas.data.layouts.file_paths import FilePaths
from nas.data.layouts.records import FileRecords
from nas.data.survey.repetitions import HashedSplit, find_repetitions
from nas.tasks.task import RawLabels


def make(name: str, hashes: list[int], labels: list[int] | None = None) -> HashedSplit:
    count = len(hashes)
    records = FileRecords(
        FilePaths.of(Path(), (Path(str(row)) for row in range(count))),
        RawLabels([0] * count, lambda row: f"{name}{row}", ""),
    )
    targets = torch.tensor(labels if labels is not None else [0] * count)
    return HashedSplit(records, torch.arange(count), targets, np.array(hashes, np.uint64))


def find(train: HashedSplit, validation: list[int], test: list[int]) -> list[str]:
    splits = {"train": train, "validation": make("v", validation), "test": make("e", test)}
    return find_repetitions(splits)


def test_without_repetitions_nothing_is_said() -> None:
    assert find(make("t", [1, 2, 3]), [4, 5], [6, 7]) == []


def test_repetitions_are_counted_and_shown() -> None:
    lines = find(make("t", [9, 8, 9, 9, 7, 7], [0, 0, 0, 1, 2, 2]), [1, 2], [3, 4])
    assert lines == [
        "3 training samples occur more than once: t4 and t5; t0 and t2",
        "1 training samples occur again with another label: t2 and t3",
    ]


def test_splits_that_overlap_are_said() -> None:
    assert find(make("t", [1, 2, 3]), [4, 1, 5], [6, 3, 7, 4, 8]) == [
        "1 of 3 validation samples are training samples, too: v1 and t0",
        "1 of 5 test samples are training samples, too: e1 and t2",
        "1 of 5 test samples are validation samples, too: e3 and v0",
    ]


def test_a_split_that_was_drawn_from_repeated_samples_is_said() -> None:
    whole = make("t", [1, 1, 1, 1])
    part = HashedSplit(whole.records, whole.rows, whole.labels, whole.hashes)
    lines = find_repetitions({"train": whole, "validation": part, "test": make("e", [2])})
    assert [line.partition(":")[0] for line in lines] == [
        "3 training samples occur more than once",
        "4 of 4 validation samples are training samples, too",
    ]


@pytest.mark.parametrize(
    ("validation", "test", "name"), [([1, 4], [5, 6], "validation"), ([5], [9, 2, 8, 3, 1], "test")]
)
def test_splits_that_are_trained_on_are_refused(validation: list[int], test: list[int], name: str) -> None:
    with pytest.raises(
        ValueError, match=f"{name} samples must be others than those of the training, and . of . {name}"
    ):
        find(make("t", [1, 2, 3]), validation, test)
