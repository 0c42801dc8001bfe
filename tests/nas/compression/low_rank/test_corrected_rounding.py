"""What is added to a rounded weight makes up for its rounding, by the outputs of the layer."""

from __future__ import annotations

import pytest
import torch

from nas.compression.low_rank import corrected_rounding
from nas.compression.low_rank.corrected_rounding import round_with_correction
from nas.compression.rounding.registry import ROUNDINGS
from nas.compression.rounding.rounding import RoundingProblem


def make_problem(blocks: int = 1) -> RoundingProblem:
    """A weight of 24 outputs and 32 inputs that are correlated, at 2 bits."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 32, generator=generator) @ torch.randn(32, 32, generator=generator)
    gram = inputs.T @ inputs / len(inputs) + 0.1 * torch.eye(32)
    return RoundingProblem(torch.randn(1, 24, 32, generator=generator), gram[None], 2, blocks=blocks)


@pytest.mark.parametrize("name", ["nearest", "gptq", "quant_ease"])
@pytest.mark.parametrize("blocks", [1, 4])
def test_the_error_falls_with_the_rank_and_is_never_above_that_of_rounding(name: str, blocks: int) -> None:
    """METHODS 12.4."""
    problem, rounding = make_problem(blocks), ROUNDINGS[name]()
    errors = [float(problem.error(rounding.round(problem).weight).sum())]
    for rank in (1, 3, 6, 12):
        corrected = round_with_correction(problem, rounding, rank)
        assert corrected.first.weight.shape == (1, rank, 32)
        assert corrected.second.weight.shape == (1, 24, rank)
        assert int(corrected.first.codes.abs().max()) <= 127
        assert int(corrected.rounded.codes.abs().max()) <= 1
        errors.append(float(problem.error(corrected.weight).sum()))
    assert errors == sorted(errors, reverse=True)
    assert 3 * errors[-1] < errors[0]


@pytest.mark.parametrize("rank", [1, 6])
def test_no_round_goes_up(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """METHODS 6.5."""
    problem, rounding, errors = make_problem(), ROUNDINGS["quant_ease"](), []
    for rounds in range(4):
        monkeypatch.setattr(corrected_rounding, "_MOST_ROUNDS", rounds)
        errors.append(float(problem.error(round_with_correction(problem, rounding, rank).weight).sum()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]


def test_of_uncorrelated_inputs_it_is_the_truncated_decomposition_of_what_rounding_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Up to the 8 bits of the factors; of full rank, nothing is lost."""
    monkeypatch.setattr(corrected_rounding, "_MOST_ROUNDS", 0)
    problem = RoundingProblem(make_problem().weight, torch.eye(32)[None], 2)
    rounding = ROUNDINGS["nearest"]()
    lost = torch.linalg.svdvals(problem.weight - rounding.round(problem).weight)[0].square()
    for rank in (2, 8, 16):
        found = problem.error(round_with_correction(problem, rounding, rank).weight).sum()
        assert float(found) == pytest.approx(float(lost[rank:].sum()), rel=0.01)
    assert float(problem.error(round_with_correction(problem, rounding, 24).weight).sum()) < 1e-3 * float(lost.sum())


def test_a_weight_on_its_grid_is_left_as_it_is() -> None:
    problem = make_problem()
    codes = torch.randint(-1, 2, (1, 24, 32), generator=torch.Generator().manual_seed(1)).float()
    problem = RoundingProblem(codes, problem.gram, 2)
    found = round_with_correction(problem, ROUNDINGS["quant_ease"](), 4)
    torch.testing.assert_close(found.weight, codes, rtol=0, atol=1e-4)
