"""Several labels of a sample are marked; what is none is named with its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from nas.tasks.multi_label import MULTI_LABEL
from nas.tasks.task import RawLabels


def raw(values: Sequence[Any]) -> RawLabels:
    return RawLabels(values, lambda row: f"here row {row}", "here")


@pytest.mark.parametrize(
    ("values", "names", "marked", "found"),
    [
        ([["b", "a"], [], ["b"]], None, [[1, 1], [0, 0], [0, 1]], ("a", "b")),
        ([["b"], "a"], ("b", "a", "c"), [[1, 0, 0], [0, 1, 0]], ("b", "a", "c")),
        ([[0, 2], [], 1], None, [[1, 0, 1], [0, 0, 0], [0, 1, 0]], ("0", "1", "2")),
        ([[0, 2]], ("a", "b", "c"), [[1, 0, 1]], ("a", "b", "c")),
        ([[0, 1], [1, 1], [0, 0]], ("odd", "large"), [[0, 1], [1, 1], [0, 0]], ("odd", "large")),  # columns
        ([[0, 1, 1], [0, 0, 0]], None, [[0, 1, 1], [0, 0, 0]], ("0", "1", "2")),
        ([[1.0, 0.0], [True, False]], None, [[1, 0], [1, 0]], ("0", "1")),
        ([[0], [1]], None, [[1, 0], [0, 1]], ("0", "1")),  # one number each is the number of a label
    ],
)
def test_labels_are_names_or_numbers_or_columns(
    values: list[Any], names: tuple[str, ...] | None, marked: list[list[int]], found: tuple[str, ...]
) -> None:
    encoded = MULTI_LABEL.encode([raw(values)], names)
    assert encoded.labels[0].tolist() == marked
    assert encoded.labels[0].dtype == torch.float32
    assert encoded.names == found


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        ([["a"], None], None, "got none in here row 1; write \\[\\]"),
        ([[0, None]], None, "got none in here row 0"),
        ([["a"], [3]], None, "got str 'a' in here row 0"),
        ([[0, -1]], None, "got -1 in here row 0"),
        ([[0, 1.5]], None, "got float 1.5 in here row 0"),
        ([[0, 10**30]], None, "below 100,000, got 1000000000000000000000000000000 in here row 0"),
        ([[0, 3]], ("a", "b"), "below 2, got 3 in here row 0"),
        (["a", "a|b"], None, "got 'a.b' in here row 1, which seems to be several; write lists in JSON"),
        (["a, b", "b"], None, "got 'a, b' in here row 0, which seems to be several; write lists in JSON"),
        ([["c"]], ("a", "b"), "here row 0 has label 'c', which is none of the labels: a, b"),
        ([[0, 1, 2]], ("a", "b"), "below 2, got 2 in here row 0"),
    ],
)
def test_what_is_no_label_is_refused(values: list[Any], names: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MULTI_LABEL.encode([raw(values)], names)


def test_the_rarest_label_is_the_stratum() -> None:
    labels = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]]).float()
    assert MULTI_LABEL.find_strata(labels).tolist() == [1, 2, 3, 0]


def test_labels_that_all_or_no_training_samples_have_are_named() -> None:
    labels = torch.tensor([[1, 0, 1], [1, 0, 0]]).float()
    with pytest.raises(ValueError, match="samples that have it, and 1 of 3 have none: 'b'"):
        MULTI_LABEL.check_training(labels, ("a", "b", "c"))
    with pytest.raises(ValueError, match="samples that do not have it, and 1 of 2 have none: 'a'"):
        MULTI_LABEL.check_training(labels[:, [0, 2]], ("a", "c"))
