"""Where the least divergence clips."""

from __future__ import annotations

import pytest
import torch

from nas.compression.observers.kl_range import LeastDivergenceRange


def test_a_long_tail_is_clipped_and_a_flat_histogram_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    tail = torch.randn(200_000, generator=generator) ** 3
    low, high = LeastDivergenceRange().observe(tail)
    assert -low == high < 0.9 * tail.abs().max()
    flat = torch.linspace(-2.0, 1.0, 100_000)
    assert LeastDivergenceRange().observe(flat) == (-2.0, 1.0)


def test_zeros_say_nothing() -> None:
    values = torch.randn(50_000, generator=torch.Generator().manual_seed(1)).relu()
    known = values[values > 0]
    assert LeastDivergenceRange().observe(values) == (0.0, LeastDivergenceRange().observe(known)[1])
    assert LeastDivergenceRange().observe(torch.zeros(10)) == (0.0, 0.0)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="more bins than codes"):
        LeastDivergenceRange(bins=100)
