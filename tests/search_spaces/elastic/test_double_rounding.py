"""One stored integer model serves every bit-width."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.double_rounding import (
    MASTER_BITS,
    double_rounding,
    initial_step,
    lower_codes,
    lower_scale,
    master_codes,
    step_learning_rate_factor,
)
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import WeightQuantizer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

BITS = [2, 3, 4, 5, 6, 7, 8]
FACTORS = {8: 1.0, 7: 0.5, 6: 0.1, 5: 0.05, 4: 0.01, 3: 0.005, 2: 0.001}


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def uniform(*shape: int) -> Tensor:
    return torch.empty(shape).uniform_(-1, 1, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("weight", [normal(4, 250_000), uniform(4, 250_000)], ids=["normal", "uniform"])
def test_double_rounding_differs_from_direct_rounding_next_to_ties_only(weight: Tensor) -> None:
    step = initial_step(weight)
    inside = weight.abs() < 7 * lower_scale(step, 4)[:, None]
    in_steps = (weight / lower_scale(step, 4)[:, None])[inside]
    direct = in_steps.round()
    double = lower_codes(master_codes(weight, step), 4)[inside]
    differ = direct != double
    assert differ.float().mean().item() == pytest.approx(1 / 32, rel=0.02)
    assert ((in_steps - in_steps.floor() - 0.5).abs()[differ] <= 1 / 32 + 1e-4).all()
    growth = (double - in_steps).square().mean() / (direct - in_steps).square().mean()
    assert growth.item() == pytest.approx(1.012, abs=0.003)


def test_switching_bits_and_back_is_lossless() -> None:
    weight = normal(8, 3, 3, 3)
    step = initial_step(weight)
    stored = master_codes(weight, step)
    kept = stored.clone()
    served = double_rounding(weight, step, 8)
    lower_codes(stored, 4)
    assert torch.equal(stored, kept)
    assert torch.equal(lower_codes(stored, 8), stored)
    assert torch.equal(stored * lower_scale(step, 8).view(-1, 1, 1, 1), served)
    assert torch.equal(master_codes(served, step), stored)


def test_the_highest_bits_are_the_ordinary_quantiser() -> None:
    weight = normal(8, 3, 3, 3)
    torch.testing.assert_close(
        double_rounding(weight, initial_step(weight), MASTER_BITS), WeightQuantizer(8)(weight), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("bits", BITS)
def test_the_result_depends_on_the_stored_codes_only(bits: int) -> None:
    step = torch.full((2,), 0.01)
    codes = torch.arange(-127, 128).expand(2, -1)
    weight = codes * step[:, None]
    moved = weight + 0.0049 * uniform(2, 255)
    assert torch.equal(master_codes(moved, step), codes)
    assert torch.equal(double_rounding(moved, step, bits), double_rounding(weight, step, bits))


@pytest.mark.parametrize("bits", BITS)
def test_codes_fill_a_symmetric_range_and_turn_with_the_weight(bits: int) -> None:
    weight = 3 * normal(4, 5000)
    step = torch.tensor([0.001, 0.01, 0.03, 0.1])
    codes = lower_codes(master_codes(weight, step), bits)
    limit = 2 ** (bits - 1) - 1
    assert codes.dtype == torch.int8
    assert (int(codes.min()), int(codes.max())) == (-limit, limit)
    assert torch.equal(lower_codes(master_codes(-weight, step), bits), -codes)
    assert torch.equal(double_rounding(weight, step, bits), codes * lower_scale(step, bits)[:, None])


@pytest.mark.parametrize("bits", BITS)
def test_gradients_are_straight_through_and_those_of_lsq(bits: int) -> None:
    weight = normal(3, 2, 5).requires_grad_()
    step = torch.tensor([0.008, 0.02, 0.05], requires_grad=True)
    upstream = uniform(3, 2, 5)
    (double_rounding(weight, step, bits) * upstream).sum().backward()
    stride, limit = 2 ** (8 - bits), 2 ** (bits - 1) - 1
    expected_step = []
    for channel in range(3):
        total = 0.0
        for value, arriving, got in zip(
            weight[channel].flatten().tolist(),
            upstream[channel].flatten().tolist(),
            weight.grad[channel].flatten().tolist(),
            strict=True,
        ):
            ratio = value / step[channel].item()
            code = round(round(ratio) / stride)
            inside = abs(code) <= limit
            clipped = limit if code > 0 else -limit
            assert got == (arriving if inside else 0.0)
            total += arriving * (code * stride - ratio if inside else clipped * stride)
        expected_step.append(FACTORS[bits] * total)
    assert step.grad.tolist() == pytest.approx(expected_step, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("bits", BITS)
def test_steps_learn_slower_from_lower_bits(bits: int) -> None:
    assert step_learning_rate_factor(bits) == pytest.approx(FACTORS[bits])


@pytest.mark.parametrize("lowest", BITS)
def test_an_initial_step_reaches_the_largest_weight_at_the_fewest_bits(lowest: int) -> None:
    weight = normal(3, 40)
    rounded = double_rounding(weight, initial_step(weight, lowest), lowest)
    largest = weight.abs().argmax(1, keepdim=True)
    torch.testing.assert_close(rounded.gather(1, largest), weight.gather(1, largest))


@pytest.mark.parametrize("bits", [1, 9, 16])
def test_other_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"double rounding serves 2 to 8 bits, got {bits}"):
        double_rounding(normal(2, 5), torch.ones(2), bits)


@pytest.mark.parametrize("step", [None, torch.tensor([0.01, 0.02, 0.03])], ids=["dynamic", "learnt"])
@pytest.mark.parametrize("bits", BITS)
def test_codes_times_scale_are_the_rounded_weight(bits: int, step: Tensor | None) -> None:
    weight, quantizer = normal(3, 4, 3, 3), WeightQuantizer(bits)
    codes, scale = quantizer.codes(weight, step)
    assert codes.dtype == torch.int8
    torch.testing.assert_close(codes * scale.view(-1, 1, 1, 1), quantizer(weight, step), rtol=1e-6, atol=0)


def test_32_bits_return_the_very_weight_and_have_no_codes() -> None:
    weight, step = normal(3, 5), torch.ones(3)
    assert WeightQuantizer(32)(weight, step) is weight
    with pytest.raises(ValueError, match="weights have codes below 32 bits only"):
        WeightQuantizer(32).codes(weight, step)


def test_views_of_shared_weights_and_steps_get_gradients() -> None:
    shared = normal(4, 6, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    steps = initial_step(shared).log().requires_grad_()
    layer = Layer(
        LayerSpec.conv("a", Convolution.square(3, 2, 3), 4, normalized=False), LayerPolicy.quantized(4), device="meta"
    )
    layer.learn_weight_step(8)
    state = {"op.weight": shared[:2, :3], "log_weight_step": steps[:2]}
    functional_call(layer, state, (normal(1, 3, 4, 4),)).square().sum().backward()
    assert shared.grad[:2, :3].any()
    assert not shared.grad[2:].any()
    assert not shared.grad[:, 3:].any()
    assert steps.grad[:2].all()
    assert not steps.grad[2:].any()
