"""The error of a truncated decomposition is known from the singular values."""

from __future__ import annotations

import torch

from nas.compression.low_rank.factorization import split_weight
from nas.compression.low_rank.svd import find_singular_directions


def test_the_squared_error_is_the_sum_of_the_squares_that_are_left_out() -> None:
    weight = torch.randn(9, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(weight.flatten(1).double())
    for rank in (1, 4, 8):
        first, second = split_weight(weight, find_singular_directions(weight), rank)
        error = (second.double() @ first.flatten(1).double() - weight.flatten(1).double()).square().sum()
        torch.testing.assert_close(error, values[rank:].square().sum(), rtol=1e-5, atol=1e-6)
