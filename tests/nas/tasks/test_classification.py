"""Labels become class numbers; what is no label is named with its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from nas.tasks.classification import CLASSIFICATION
from nas.tasks.task import RawLabels


def raw(values: Sequence[Any]) -> RawLabels:
    return RawLabels(values, lambda row: f"here row {row}", "here")


def test_names_are_sorted_unless_their_order_is_stated() -> None:
    found = CLASSIFICATION.encode([raw(["dog", "cat"]), raw(["cat"])], None)
    assert found.names == ("cat", "dog")
    assert [part.tolist() for part in found.labels] == [[1, 0], [0]]
    stated = CLASSIFICATION.encode([raw(["dog", "cat"])], ("dog", "cat", "eel"))
    assert stated.labels[0].tolist() == [0, 1]
    assert CLASSIFICATION.encode([raw([0, 2])], ("a", "b", "c")).names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        ([0, None], None, "must be class numbers from 0 or names, got none in here row 1; remove the row"),
        ([0, float("nan")], None, "got none in here row 1"),
        ([0, -1], None, "got -1 in here row 1"),
        ([0, 1.5], None, "got float 1.5 in here row 1"),
        ([0, True], None, "got bool True in here row 1"),
        ([0, "cat"], None, "got str 'cat' in here row 1"),
        ([0, 10**30], None, "below 1,000,000, got 1000000000000000000000000000000 in here row 1"),
        ([0, 2], ("a", "b"), "labels of here must be below 2, the number of class names, got 2 in here row 1"),
        (["a", "c"], ("a", "b"), "here row 1 has label 'c', which is none of the classes: a, b"),
    ],
)
def test_what_is_no_label_is_refused(values: list[Any], names: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CLASSIFICATION.encode([raw(values)], names)


def test_classes_without_training_samples_are_named() -> None:
    with pytest.raises(ValueError, match="2 of 4 have none: 'b', 'd'"):
        CLASSIFICATION.check_training(torch.tensor([0, 2, 0]), ("a", "b", "c", "d"))
    with pytest.raises(ValueError, match="2 or more classes, got only class 'a'"):
        CLASSIFICATION.check_training(torch.tensor([0, 0]), ("a",))
