"""The reference quantiser."""

from __future__ import annotations

import pytest
import torch

from search_spaces.elastic.quantizers import REFERENCE, ActivationQuantizer, WeightQuantizer, activation_grid

BITS = [2, 3, 4, 5, 6, 7, 8]
RANDOM = torch.Generator().manual_seed(0)


def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
    return torch.empty(shape).uniform_(low, high, generator=RANDOM)


@pytest.mark.parametrize("bits", BITS)
def test_error_on_uniform_weights_is_a_twelfth_of_the_squared_step(bits: int) -> None:
    weight = uniform(-1, 1, 4, 100_000) * torch.tensor([[0.01], [0.3], [1.0], [20.0]])
    error = (WeightQuantizer(bits)(weight) - weight).square().mean(1)
    steps = weight.abs().amax(1) / (2 ** (bits - 1) - 1)
    assert (error / (steps**2 / 12)).tolist() == pytest.approx([1.0] * 4, rel=0.02)


@pytest.mark.parametrize("bits", BITS)
def test_error_on_uniform_activations_is_a_twelfth_of_the_squared_step(bits: int) -> None:
    activation = uniform(0, 3, 200_000)
    error = (ActivationQuantizer(bits)(activation) - activation).square().mean().item()
    assert error == pytest.approx((3 / (2**bits - 1)) ** 2 / 12, rel=0.02)


@pytest.mark.parametrize("quantizer", [WeightQuantizer(32), ActivationQuantizer(32)])
def test_32_bits_return_the_very_input(quantizer: WeightQuantizer | ActivationQuantizer) -> None:
    values = uniform(-1, 1, 3, 5)
    assert quantizer(values) is values


@pytest.mark.parametrize("bits", BITS)
def test_quantising_twice_changes_nothing(bits: int) -> None:
    weights = WeightQuantizer(bits)
    once = weights(uniform(-1, 1, 8, 3, 3, 3))
    torch.testing.assert_close(weights(once), once, rtol=1e-6, atol=0)
    activations = ActivationQuantizer(bits)
    activations.range = (-0.7, 1.9)
    once = activations(uniform(-3, 3, 1000))
    assert torch.equal(activations(once), once)


@pytest.mark.parametrize("bits", BITS)
def test_weights_use_a_symmetric_grid_per_channel(bits: int) -> None:
    weight = uniform(-1, 1, 5, 10_000) * torch.tensor([[1e-3], [0.1], [1.0], [50.0], [0.0]])
    scale, limit = REFERENCE.steps(weight, bits), 2 ** (bits - 1) - 1
    quantized = WeightQuantizer(bits)(weight)
    codes = quantized[:4] / scale[:4, None]
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-4)
    assert codes.abs().amax(1).round().tolist() == [limit] * 4
    torch.testing.assert_close(quantized.abs().amax(1), weight.abs().amax(1))
    assert len(codes[0].round().unique()) == 2 * limit + 1
    assert not quantized[4].any()  # a dead channel stays dead


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("limits", [(-0.7, 1.9), (0.3, 2.0), (-3.0, -0.2), (0.0, 0.0), (-1e-3, 40.0)])
def test_activation_grids_hold_zero_and_span_the_range(bits: int, limits: tuple[float, float]) -> None:
    scale, zero_point = activation_grid(*limits, bits)
    assert 0 <= zero_point <= 2**bits - 1
    quantizer = ActivationQuantizer(bits)
    quantizer.range = limits
    assert quantizer(torch.zeros(1)).item() == 0.0
    low, high = quantizer(torch.tensor([-100.0, 100.0])).tolist()
    assert high - low == pytest.approx((2**bits - 1) * scale)
    assert low == pytest.approx(min(limits[0], 0.0), abs=0.51 * scale + 1e-9)
    assert high == pytest.approx(max(limits[1], 0.0), abs=0.51 * scale + 1e-9)
    assert len(quantizer(uniform(*limits, 5000)).unique()) <= 2**bits


def test_uncalibrated_activations_use_the_range_of_the_batch() -> None:
    quantizer = ActivationQuantizer(8)
    values = uniform(-1, 2, 1000)
    torch.testing.assert_close(quantizer(64 * values), 64 * quantizer(values))
    assert len(quantizer(64 * values).unique()) > 200


def test_gradients_pass_straight_through_inside_the_range() -> None:
    weight = uniform(-1, 1, 4, 50).requires_grad_()
    WeightQuantizer(3)(weight).sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))
    activation = torch.tensor([-5.0, -0.9, 0.0, 0.4, 0.9, 5.0], requires_grad=True)
    quantizer = ActivationQuantizer(8)
    quantizer.range = (-1.0, 1.0)
    quantizer(activation).sum().backward()
    assert activation.grad is not None
    assert activation.grad.tolist() == [0, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("bits", BITS)
def test_activations_and_gradients_are_those_of_torch(bits: int) -> None:
    activation, gradient = uniform(-2, 7, 1000), uniform(-1, 1, 1000)
    ours, theirs = activation.clone().requires_grad_(), activation.clone().requires_grad_()
    quantizer = ActivationQuantizer(bits)
    quantizer.range = (-1.3, 4.1)
    quantizer(ours).backward(gradient)
    scale, zero_point = activation_grid(*quantizer.range, bits)
    reference = torch.fake_quantize_per_tensor_affine(theirs, scale, zero_point, 0, 2**bits - 1)
    reference.backward(gradient)
    assert torch.equal(quantizer(activation), reference)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)
