"""Nothing is clipped."""

from __future__ import annotations

import torch

from nas.compression.observers.min_max_range import MinMaxRange


def test_the_range_is_from_the_lowest_to_the_highest_value() -> None:
    assert MinMaxRange().observe(torch.tensor([[3.0, -500.0], [1e6, 0.0]])) == (-500.0, 1e6)
