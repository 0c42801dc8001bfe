"""A weight on a grid of fixed steps is rounded to itself."""

from __future__ import annotations

import pytest
import torch

from nas.compression.rounding.fixed_steps import FixedSteps
from search_spaces.elastic.quantizers import WeightQuantizer

STEPS = torch.tensor([0.3, 1e-5, 7.0])


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounding_is_idempotent(bits: int) -> None:
    largest = 2 ** (bits - 1) - 1
    codes = torch.arange(-largest, largest + 1).float().expand(3, -1)
    rounder = WeightQuantizer(bits, FixedSteps.of(STEPS))
    found, steps = rounder.codes(codes * STEPS[:, None])
    assert torch.equal(found.float(), codes)
    assert torch.equal(steps, STEPS)
    torch.testing.assert_close(rounder(codes * STEPS[:, None]), codes * STEPS[:, None], rtol=1e-6, atol=0)


def test_they_are_for_one_weight() -> None:
    with pytest.raises(ValueError, match="for a weight of 3 rows, got one of 2"):
        FixedSteps.of(STEPS).steps(torch.zeros(2, 2), 4)
