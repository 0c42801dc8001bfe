"""Coordinate descent never goes up, and ends where no single code can be improved."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from nas.compression.rounding.quant_ease import QuantEase, descend
from nas.compression.rounding.rounding import BLOCK, RoundedWeight, RoundingProblem

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
            assert (least <= PROBLEM.error(codes * rounded.steps) + 1e-12).all()


def sweep(problem: RoundingProblem, rounded: RoundedWeight) -> RoundedWeight:
    """One sweep by its definition: the gradient is found anew for each column."""
    codes = rounded.codes.clone()
    for column in range(codes.shape[2]):
        gradient = ((problem.weight - codes * rounded.steps) * problem.gram[:, None, column]).sum(2)
        best = codes[..., column] + gradient / (problem.gram[:, None, column, column] * rounded.steps[..., 0])
        codes[..., column] = best.round().clamp(-problem.largest, problem.largest)
    return RoundedWeight(codes, rounded.steps)


def test_blocks_go_down_as_one_column_after_the_other() -> None:
    inputs = 2 * BLOCK + 9
    rows = torch.randn(2, 600, inputs, generator=GENERATOR, dtype=torch.float64) + 1.0
    weight = torch.randn(2, 3, inputs, generator=GENERATOR, dtype=torch.float64)
    problem = RoundingProblem(weight, rows.mT @ rows / 600, 3)
    found = expected = RoundedWeight(problem.nearest(problem.choose_steps()), problem.choose_steps())
    for _ in range(3):
        before, found, expected = problem.error(found.weight), descend(problem, found, 1), sweep(problem, expected)
        torch.testing.assert_close(problem.error(found.weight), problem.error(expected.weight), rtol=1e-6, atol=0)
        assert (problem.error(found.weight) <= before * (1 + 1e-12)).all()


def test_bad_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="one or more rounds and sweeps"):
        QuantEase(rounds=0)
