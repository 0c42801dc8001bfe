"""On the outputs that it has seen, no weight of a rank does better, and how well it does is known from eigenvalues."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.low_rank.factorization import Factorization, split_weight
from nas.compression.low_rank.output_covariance import OutputCovariance
from nas.compression.low_rank.svd import TruncatedSvd
from nas.compression.tracing.trace import TracedNetwork, trace

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(300, 8, generator=GENERATOR) @ torch.randn(8, 8, generator=GENERATOR)  # far from uncorrelated


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    return trace(nn.Sequential(nn.Linear(8, 10)).eval(), [torch.zeros(2, 8)])


def lost(traced: TracedNetwork, method: Factorization, rank: int) -> Tensor:
    """The mean squared error of the outputs, summed over channels."""
    weight = traced.parameters["0.weight"].detach().double()
    directions = method.find_directions(traced, CalibrationData(INPUTS))["0.weight"]
    first, second = split_weight(weight, directions, rank)
    return (INPUTS.double() @ (second @ first - weight).T).square().sum(1).mean()


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_what_is_lost_is_the_sum_of_the_eigenvalues_that_are_left_out(traced: TracedNetwork, rank: int) -> None:
    outputs = INPUTS.double() @ traced.parameters["0.weight"].detach().double().T
    values = torch.linalg.eigvalsh(outputs.T @ outputs / len(outputs))
    found = lost(traced, OutputCovariance(), rank)
    torch.testing.assert_close(found, values[: 10 - rank].sum(), rtol=1e-4, atol=1e-6)
    assert found < lost(traced, TruncatedSvd(), rank)


def test_it_needs_data(traced: TracedNetwork) -> None:
    with pytest.raises(ValueError, match="needs calibration data, and there is none; take svd, or give inputs"):
        OutputCovariance().find_directions(traced, None)
    with pytest.raises(ValueError, match="one or more outputs, got 0"):
        OutputCovariance(rows=0)
