"""What stands for an operation of another package computes the same."""

from __future__ import annotations

import torch

from nas.export.foreign_operations import multiply_by_groups


def test_rows_meet_the_matrix_of_their_group() -> None:
    rows, weights = torch.randn(7, 3), torch.randn(4, 3, 5)
    sizes = [2, 0, 4, 1]
    parts = [part @ weight for part, weight in zip(rows.split(sizes), weights, strict=True)]
    torch.testing.assert_close(multiply_by_groups(rows, weights, torch.tensor(sizes).cumsum(0)), torch.cat(parts))
