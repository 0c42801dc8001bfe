"""Blocks of columns change the order of sums in GPTQ, and nothing else."""

from __future__ import annotations

import torch

from nas.compression.rounding.gptq import Gptq
from nas.compression.rounding.rounding import BLOCK, RoundedWeight, RoundingProblem, keep_better


def one_after_the_other(problem: RoundingProblem) -> RoundedWeight:
    """By equations 2 and 3 of the paper: the inverse of what is left is found anew for each column."""
    steps = problem.choose_steps()
    codes = torch.zeros_like(problem.weight)
    for group, gram in enumerate(problem.gram):
        order = gram.diagonal().argsort(descending=True)
        left, weight = torch.linalg.inv(gram[order][:, order]), problem.weight[group][:, order].clone()
        for column, place in enumerate(order.tolist()):
            code = (weight[:, column] / steps[group, :, 0]).round().clamp(-problem.largest, problem.largest)
            codes[group, :, place] = code
            error = (weight[:, column] - code * steps[group, :, 0]) / left[column, column]
            weight -= error[:, None] * left[column]
            left = left - left[:, column, None] * left[column] / left[column, column]
    return keep_better(problem, RoundedWeight(problem.nearest(steps), steps), RoundedWeight(codes, steps))


def test_it_rounds_as_one_column_after_the_other() -> None:
    generator, inputs = torch.Generator().manual_seed(0), 2 * BLOCK + 9
    rows = torch.randn(2, 600, inputs, generator=generator, dtype=torch.float64)
    rows = rows * torch.rand(inputs, generator=generator) + torch.randn(2, 600, 1, generator=generator)
    weight = torch.randn(2, 3, inputs, generator=generator, dtype=torch.float64)
    problem = RoundingProblem(weight, rows.mT @ rows / 600, 3)
    found, expected = Gptq().round(problem), one_after_the_other(problem)
    torch.testing.assert_close(problem.error(found.weight), problem.error(expected.weight), rtol=1e-6, atol=0)
