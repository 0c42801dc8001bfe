"""The least squared error is found: no step of the grid is better, and few bits gain much."""

from __future__ import annotations

import pytest
import torch

from nas.compression.quantizers.mse import LeastSquaredError
from search_spaces.elastic.quantizers import WeightQuantizer
from search_spaces.elastic.weight_steps import MaxAbsSteps

WEIGHT = torch.randn(8, 16, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def errors(bits: int, steps: torch.Tensor) -> torch.Tensor:
    limit, rows = 2 ** (bits - 1) - 1, WEIGHT.flatten(1)
    return ((rows / steps[:, None]).round().clamp(-limit, limit) * steps[:, None] - rows).square().sum(1)


@pytest.mark.parametrize(("bits", "gain"), [(2, 2.0), (3, 1.4), (4, 1.2), (8, 1.0)])
def test_no_share_of_the_reference_is_better(bits: int, gain: float) -> None:
    reference, found = MaxAbsSteps().steps(WEIGHT, bits), LeastSquaredError().steps(WEIGHT, bits)
    least = errors(bits, found)
    for share in torch.linspace(0.2, 1.0, 41).tolist():
        assert (least <= errors(bits, share * reference) * (1 + 1e-9)).all()
    assert gain * least.sum() <= errors(bits, reference).sum()


def test_what_lies_on_the_grid_stays() -> None:
    weight = torch.tensor([[7.0, -3.0, 0.0, 1.0]])
    assert torch.equal(WeightQuantizer(4, LeastSquaredError())(weight), weight)
