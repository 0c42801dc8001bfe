"""No weight with the same zeros has less error."""

from __future__ import annotations

from dataclasses import replace

import torch

from nas.compression.rounding.masked_fit import fit_weight
from nas.compression.rounding.rounding import RoundingProblem


def test_each_channel_is_the_solution_of_its_own_least_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2, 60, 9, generator=generator) @ torch.randn(2, 9, 9, generator=generator)
    gram, weight = rows.transpose(1, 2) @ rows / 60, torch.randn(2, 4, 9, generator=generator)
    problem = RoundingProblem(weight, gram, 32, torch.rand(2, 4, 9, generator=generator) < 0.6)
    assert problem.kept is not None
    problem.kept[0, 1] = False  # a channel without weights
    found = fit_weight(problem)
    assert not found[~problem.kept].any()
    for group in range(2):
        for channel in range(4):
            kept = problem.kept[group, channel]
            aim = (weight[group, channel] @ gram[group])[kept]
            expected = torch.linalg.solve(gram[group][kept][:, kept], aim)
            torch.testing.assert_close(found[group, channel, kept], expected, rtol=1e-2, atol=1e-2)
    assert torch.equal(fit_weight(replace(problem, kept=None)), weight)
