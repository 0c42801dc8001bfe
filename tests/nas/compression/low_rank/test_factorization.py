"""The contract of factorisations, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.low_rank.factorization import split_weight
from nas.compression.low_rank.registry import FACTORIZATIONS
from nas.compression.tracing.trace import TracedNetwork, trace

DATA = CalibrationData(torch.randn(40, 3, 6, 6, generator=torch.Generator().manual_seed(1)), batch=16)


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    body = (nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(8, 12))
    return trace(nn.Sequential(*body).eval(), [torch.zeros(2, 3, 6, 6)])


@pytest.mark.parametrize("name", list(FACTORIZATIONS))
def test_directions_are_orthonormal_and_lose_less_the_more_are_kept(name: str, traced: TracedNetwork) -> None:
    before = {tensor: value.clone() for tensor, value in traced.parameters.items()}
    found = FACTORIZATIONS[name]().find_directions(traced, DATA)
    assert set(found) == {"0.weight", "4.weight"}  # not of the depthwise convolution
    for weight, directions in found.items():
        matrix = traced.parameters[weight].detach()
        most = directions.shape[1]
        torch.testing.assert_close(directions.T @ directions, torch.eye(most, dtype=torch.float64))
        errors = []
        for rank in range(1, most + 1):
            first, second = split_weight(matrix, directions, rank)
            assert (first.shape, second.shape) == ((rank, *matrix.shape[1:]), (len(matrix), rank))
            errors.append(float((second @ first.flatten(1) - matrix.flatten(1)).square().sum()))
        assert all(more <= less + 1e-9 for less, more in pairwise(errors))
        assert errors[-1] < 1e-9
    again = FACTORIZATIONS[name]().find_directions(traced, DATA)
    assert all(torch.equal(again[weight], directions) for weight, directions in found.items())
    assert all(torch.equal(traced.parameters[tensor], value) for tensor, value in before.items())


def test_both_factors_have_half_of_the_scale() -> None:
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    directions = torch.linalg.svd(weight.double(), full_matrices=False).U
    first, second = split_weight(weight, directions, 3)
    torch.testing.assert_close(first.norm(dim=1), second.norm(dim=0))
    with pytest.raises(ValueError, match="a direction for each of 5 ranks, got 4"):
        split_weight(weight, directions, 5)
