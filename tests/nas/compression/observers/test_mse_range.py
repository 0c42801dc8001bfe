"""The range of least error is found: few bits clip outliers, and many do not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nas.compression.observers.mse_range import LeastSquaredErrorRange
from search_spaces.elastic.quantizers import ActivationQuantizer, value_range

VALUES = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).relu()


def error(limits: tuple[float, float], bits: int, values: Tensor) -> float:
    quantizer = ActivationQuantizer(bits)
    quantizer.range = limits
    return float((quantizer(values) - values).square().mean())


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_share_of_the_whole_range_is_better(bits: int) -> None:
    low, high = LeastSquaredErrorRange(bits).observe(VALUES)
    least, (_, largest) = error((low, high), bits, VALUES), value_range(VALUES)
    assert all(least <= error((0.0, largest * share), bits, VALUES) * (1 + 1e-6) for share in (0.2, 0.4, 0.6, 0.8, 1.0))


def test_few_bits_clip_more() -> None:
    ends = [LeastSquaredErrorRange(bits).observe(VALUES)[1] for bits in (2, 4, 8)]
    assert ends[0] < ends[1] < ends[2] <= VALUES.max()


def test_zeros_and_the_order_of_values_change_nothing() -> None:
    kept = VALUES[VALUES > 0]
    expected = LeastSquaredErrorRange(4).observe(VALUES)
    assert LeastSquaredErrorRange(4).observe(VALUES.flip(0)) == expected
    assert LeastSquaredErrorRange(4).observe(torch.cat([kept, torch.zeros(500_000)])) == expected


def test_some_values_stand_for_many() -> None:
    many = torch.randn(1, 8, 512, 1024, generator=torch.Generator().manual_seed(2)).relu()
    low, high = LeastSquaredErrorRange(4).observe(many)
    least = min(error((0.0, float(many.max()) * share / 40), 4, many) for share in range(8, 41))
    assert error((low, high), 4, many) <= least * 1.01


def test_values_on_both_sides_of_zero_and_equal_values_have_ranges() -> None:
    spread = torch.randn(20_000, generator=torch.Generator().manual_seed(1))
    low, high = LeastSquaredErrorRange(4).observe(torch.cat([spread, torch.tensor([-30.0, 30.0])]))
    assert -30 < low < 0 < high < 30
    assert LeastSquaredErrorRange(4).observe(torch.zeros(100)) == value_range(torch.zeros(100))


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="codes of 2 to 8 bits"):
        LeastSquaredErrorRange(bits=1)
