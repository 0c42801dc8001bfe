"""The contract of roundings, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch

from nas.compression.rounding.registry import ROUNDINGS
from nas.compression.rounding.rounding import RoundedWeight, RoundingProblem, keep_better, refit_steps

pytestmark = pytest.mark.parametrize("name", list(ROUNDINGS))


def correlated(bits: int, groups: int = 2, inputs: int = 12, outputs: int = 5) -> RoundingProblem:
    """A problem with correlated inputs, of which one is large, and with a channel of zeros."""
    generator = torch.Generator().manual_seed(bits)
    rows = torch.randn(groups, 200, inputs, generator=generator) @ torch.randn(
        groups, inputs, inputs, generator=generator
    )
    rows[..., 0] *= 5
    weight = torch.randn(groups, outputs, inputs, generator=generator)
    weight[0, 1] = 0.0
    return RoundingProblem(weight, rows.transpose(1, 2) @ rows / 200 + 1e-3 * torch.eye(inputs), bits)


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_codes_are_on_the_grid_and_no_worse_than_the_nearest(name: str, bits: int, blocks: int) -> None:
    problem = replace(correlated(bits), blocks=blocks)
    before = problem.weight.clone(), problem.gram.clone()
    rounded = ROUNDINGS[name]().round(problem)
    assert torch.equal(rounded.codes, rounded.codes.round())
    assert rounded.codes.abs().max() <= problem.largest
    assert rounded.steps.shape == (2, 5, blocks)
    assert rounded.steps.isfinite().all()
    assert (rounded.steps > 0).all()
    nearest = ROUNDINGS["nearest"]().round(problem)
    assert (problem.error(rounded.weight) <= problem.error(nearest.weight) * (1 + 1e-4) + 1e-9).all()
    if name != "nearest":
        assert problem.error(rounded.weight).sum() < 0.9 * problem.error(nearest.weight).sum()
    assert torch.equal(problem.weight, before[0])
    assert torch.equal(problem.gram, before[1])
    again = ROUNDINGS[name]().round(problem)
    assert torch.equal(again.codes, rounded.codes)
    assert torch.equal(again.steps, rounded.steps)


def test_with_16_bits_hardly_anything_is_lost(name: str) -> None:
    problem = correlated(16)
    power = problem.error(torch.zeros_like(problem.weight)).sum()
    assert problem.error(ROUNDINGS[name]().round(problem).weight).sum() < 1e-6 * power


def test_weights_that_stay_zero_stay_zero(name: str) -> None:
    """The others make up for them, as far as the rounding makes up for anything."""
    dense = correlated(4)
    kept = torch.rand(dense.weight.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    problem = replace(dense, kept=kept)
    rounded, nearest = ROUNDINGS[name]().round(problem), ROUNDINGS["nearest"]().round(problem)
    assert not rounded.codes[~kept].any()
    assert rounded.codes[kept].any()
    assert (problem.error(rounded.weight) <= problem.error(nearest.weight) * (1 + 1e-4) + 1e-9).all()
    if name == "quant_ease":
        assert problem.error(rounded.weight).sum() < 0.6 * problem.error(nearest.weight).sum()


def test_uncorrelated_inputs_leave_the_nearest_codes(name: str) -> None:
    """All codes are then independent, so none can be improved in the steps that were found."""
    problem = correlated(4)
    problem = RoundingProblem(problem.weight, torch.diag_embed(problem.gram.diagonal(dim1=1, dim2=2)), 4)
    rounded = ROUNDINGS[name]().round(problem)
    assert torch.equal(problem.nearest(rounded.steps), rounded.codes)


def test_a_weight_on_the_grid_stays(name: str) -> None:
    problem = correlated(4)
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(-7, 8, problem.weight.shape, generator=generator).float()
    codes[..., 0] = 7.0
    on_grid = RoundingProblem(codes * 0.25, problem.gram, 4)
    rounded = ROUNDINGS[name]().round(on_grid)
    torch.testing.assert_close(rounded.weight, on_grid.weight, rtol=1e-4, atol=1e-5)


def test_channels_do_not_depend_on_one_another(name: str) -> None:
    problem = correlated(3)
    alone = RoundingProblem(problem.weight[:, 2:3], problem.gram, 3)
    torch.testing.assert_close(ROUNDINGS[name]().round(alone).codes, ROUNDINGS[name]().round(problem).codes[:, 2:3])


def test_a_fit_of_the_steps_is_the_best_there_is(name: str) -> None:
    problem = correlated(3)
    rounded = ROUNDINGS[name]().round(problem)
    fitted = refit_steps(problem, rounded)
    least = problem.error(fitted.weight)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert (least <= problem.error(RoundedWeight(rounded.codes, fitted.steps * factor).weight) + 1e-6).all()
    assert (problem.error(keep_better(problem, rounded, fitted).weight) <= problem.error(rounded.weight)).all()


def test_a_fit_of_the_steps_of_blocks_goes_down_to_the_best(name: str) -> None:
    """No single step can be improved in the end."""
    problem = replace(correlated(3), blocks=3)
    rounded = ROUNDINGS[name]().round(problem)
    error = problem.error(rounded.weight)
    for _ in range(100):
        rounded = refit_steps(problem, rounded)
        before, error = error, problem.error(rounded.weight)
        assert (error <= before * (1 + 1e-5) + 1e-6).all()
    for block in range(3):
        for factor in (0.99, 1.01):
            steps = rounded.steps.clone()
            steps[..., block] *= factor
            assert (error <= problem.error(RoundedWeight(rounded.codes, steps).weight) + 1e-5).all()


def test_a_rounding_is_a_value(name: str) -> None:
    rounding = ROUNDINGS[name]()
    assert pickle.loads(pickle.dumps(rounding)) == rounding == ROUNDINGS[name]()
    assert hash(rounding) == hash(ROUNDINGS[name]())
