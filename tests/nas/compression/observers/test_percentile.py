"""A percentile leaves out as many values as it says, and one of them at least."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.compression.observers.percentile import Percentile

VALUES = torch.from_numpy(np.random.default_rng(0).permutation(100_000)).float().view(10, 100, 100) - 500


@pytest.mark.parametrize("share", [99.0, 99.9, 99.99])
def test_the_range_is_that_of_sorted_values(share: float) -> None:
    expected = np.percentile(VALUES.numpy(), [100 - share, share])
    assert Percentile(share).observe(VALUES) == pytest.approx(expected.tolist(), abs=1.01)


def test_all_values_are_the_whole_range() -> None:
    assert Percentile(100).observe(VALUES) == (-500, 99_499)


def test_rare_outliers_are_left_out() -> None:
    values = torch.cat([torch.linspace(-1, 1, 100_000), torch.tensor([-1e3, 1e6])])
    assert Percentile(99.99).observe(values) == pytest.approx((-1, 1), abs=1e-3)


def test_outliers_may_share_blocks() -> None:
    values = torch.randn(10_001, generator=torch.Generator().manual_seed(0)).sort().values
    assert Percentile(99).observe(values) == (values[99].item(), values[-100].item())


@pytest.mark.parametrize("share", [50, 101, -1])
def test_a_percentile_is_more_than_half(share: float) -> None:
    with pytest.raises(ValueError, match=r"in \(50, 100\]"):
        Percentile(share)
