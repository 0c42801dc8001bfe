"""Coordinate descent never goes up, and ends where no single code can be improved."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from nas.compression.rounding.quant_ease import QuantEase, descend
from nas.compression.rounding.rounding import RoundedWeight, RoundingProblem

GENERATOR = torch.Generator().manual_seed(0)
ROWS = torch.randn(1, 300, 16, generator=GENERATOR, dtype=torch.float64) + 1.0
WEIGHT = torch.randn(1, 6, 16, generator=GENERATOR, dtype=torch.float64)
PROBLEM = RoundingProblem(WEIGHT, ROWS.transpose(1, 2) @ ROWS / 300, 3)


def test_no_sweep_goes_up_from_any_start() -> None:
    steps = PROBLEM.choose_steps()
    codes = torch.randint(-3, 4, WEIGHT.shape, generator=GENERATOR).double()
    rounded = RoundedWeight(codes, steps)
    errors = [PROBLEM.error(rounded.weight)]
    for _ in range(8):
        rounded = descend(PROBLEM, rounded, 1)
        errors.append(PROBLEM.error(rounded.weight))
    assert all((after <= before + 1e-12).all() for before, after in pairwise(errors))
    assert errors[-1].sum() < 0.5 * errors[0].sum()


def test_no_single_code_can_be_improved_at_the_end() -> None:
    rounded = descend(PROBLEM, RoundedWeight(PROBLEM.nearest(PROBLEM.choose_steps()), PROBLEM.choose_steps()), 50)
    least = PROBLEM.error(rounded.weight)
    for column in range(WEIGHT.shape[2]):
        for change in (-1, 1):
            codes = rounded.codes.clone()
            codes[..., column] = (codes[..., column] + change).clamp(-3, 3)
            assert (least <= PROBLEM.error(codes * rounded.steps[..., None]) + 1e-12).all()


def test_bad_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="one or more rounds and sweeps"):
        QuantEase(rounds=0)
