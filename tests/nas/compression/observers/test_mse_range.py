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


def test_a_sample_of_ranks_stands_for_many_values() -> None:
    few, all_of_them = (LeastSquaredErrorRange(4, sample).observe(VALUES) for sample in (4_000, 20_000))
    assert few == pytest.approx(all_of_them, rel=0.05)


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="codes of 2 to 8 bits"):
        LeastSquaredErrorRange(bits=1)
