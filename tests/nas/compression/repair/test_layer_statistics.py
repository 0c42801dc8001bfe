"""Least squares from moments alone: the weight and the bias that made the outputs are found again."""

from __future__ import annotations

import torch

from nas.compression.repair.layer_statistics import StatisticsSum
from nas.compression.repair.recipe import LIGHT

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(2, 400, 6, generator=GENERATOR) + 0.7
WEIGHT = torch.randn(2, 3, 6, generator=GENERATOR)
BIAS = torch.randn(2, 3, generator=GENERATOR)


def outputs_for(bias: torch.Tensor) -> torch.Tensor:
    """Shape (n, groups * out)."""
    return (INPUTS @ WEIGHT.transpose(1, 2) + bias[:, None]).transpose(0, 1).flatten(1)


def test_the_right_weight_and_bias_are_found() -> None:
    total = StatisticsSum()
    for part in torch.arange(400).split(150):
        total.add(INPUTS[:, part], outputs_for(BIAS)[part])
    found = total.mean(centred=True)
    problem = found.to_problem(torch.zeros_like(WEIGHT), 8, damping=1e-6)
    torch.testing.assert_close(problem.weight, WEIGHT, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.bias(WEIGHT), BIAS, rtol=1e-4, atol=1e-4)
    other = torch.randn(2, 3, 6, generator=GENERATOR)
    left = INPUTS @ other.transpose(1, 2) + found.bias(other)[:, None] - INPUTS @ WEIGHT.transpose(1, 2) - BIAS[:, None]
    torch.testing.assert_close(left.mean(1), torch.zeros(2, 3), rtol=0, atol=1e-4)
    torch.testing.assert_close(left.square().mean(1), problem.error(other), rtol=1e-2, atol=1e-2)


def test_without_a_bias_means_are_part_of_the_moments() -> None:
    total = StatisticsSum()
    total.add(INPUTS, outputs_for(torch.zeros_like(BIAS)))
    found = total.mean(centred=False)
    torch.testing.assert_close(found.gram, INPUTS.transpose(1, 2) @ INPUTS / 400, rtol=1e-4, atol=1e-4)
    assert not found.bias(WEIGHT).any()


def test_damping_holds_a_weight_that_data_says_nothing_of() -> None:
    total = StatisticsSum()
    total.add(torch.zeros(2, 4, 6), torch.zeros(4, 6))
    torch.testing.assert_close(total.mean(centred=False).to_problem(WEIGHT, 8, damping=0.01).weight, WEIGHT)


def test_inputs_that_are_all_alike_say_nothing_however_far_from_zero_they_are() -> None:
    total = StatisticsSum()
    for rows in (700, 1):
        total.add(INPUTS[:, :1].repeat(1, rows, 1) * 1000, torch.full((rows, 6), 321.7))
    problem = total.mean(centred=True).to_problem(WEIGHT, 4, damping=0.01)
    torch.testing.assert_close(problem.weight, WEIGHT, rtol=1e-3, atol=1e-3)
    assert bool(LIGHT.rounding.round(problem).weight.isfinite().all())
