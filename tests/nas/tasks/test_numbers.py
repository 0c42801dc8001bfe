"""Numbers are read with their places, and grouped by size."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nas.tasks.numbers import encode_numbers, group_by_quantile
from nas.tasks.task import RawLabels


def raw(values: list[Any]) -> RawLabels:
    return RawLabels(values, lambda row: f"here row {row}", "here")


def test_one_number_and_several() -> None:
    assert [part.tolist() for part in encode_numbers([raw([1, 2.5]), raw([-3])])] == [[[1.0], [2.5]], [[-3.0]]]
    assert encode_numbers([raw([[1, 2], [3.5, 4]])])[0].tolist() == [[1.0, 2.0], [3.5, 4.0]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, None], "must be numbers, got none in here row 1"),
        ([1.0, float("nan")], "got none in here row 1"),
        ([1.0, "2"], "got str '2' in here row 1"),
        ([1.0, True], "got bool True in here row 1"),
        ([1.0, [1.0, 2.0]], r"got list \[1.0, 2.0\] in here row 1"),
        ([[1.0, 2.0], [1.0]], r"must be lists of 2 numbers, got list \[1.0\] in here row 1"),
        ([1.0, float("inf")], "finite in single precision, got float inf in here row 1"),
        ([1.0, 1e39], "got float 1e\\+39 in here row 1"),
        ([1, 10**400], "finite in single precision, got int 1000.* in here row 1"),
    ],
)
def test_what_is_no_number_is_refused(values: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_numbers([raw(values)])


def test_groups_are_equally_large_and_ordered() -> None:
    labels = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    groups = group_by_quantile(labels, 10)
    assert groups.bincount().tolist() == [10] * 10
    means = torch.stack([labels[groups == group].mean() for group in range(10)])
    assert torch.equal(means, means.sort().values)
