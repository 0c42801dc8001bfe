"""The contract of quantisers, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor

from nas.compression.folded_layer import FoldedLayer
from nas.compression.quantizers.registry import QUANTIZERS
from nas.export.onnx_layer import OnnxWeight
from search_spaces.elastic.double_rounding import double_rounding, initial_step
from search_spaces.elastic.quantizers import WeightQuantizer

pytestmark = pytest.mark.parametrize("name", list(QUANTIZERS))


@pytest.fixture
def weight() -> Tensor:
    """Channels of normal weights, one with an outlier, one of a single value, one of zeros."""
    made = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    made[1, 0, 0, 0] = 20.0
    made[2] = -0.25
    made[3] = 0.0
    return made


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_step_is_of_its_channel_alone(name: str, bits: int, weight: Tensor) -> None:
    quantizer, copy = QUANTIZERS[name](), weight.clone()
    steps = quantizer.steps(weight, bits)
    assert steps.shape == (6,)
    assert steps.isfinite().all()
    assert (steps > 0).all()
    assert torch.equal(weight, copy)
    factors = torch.tensor([0.5, -4.0, 1.0, 2.0, -1.0, 8.0])
    scaled = quantizer.steps(weight * factors.view(-1, 1, 1, 1), bits)
    kept = torch.arange(6) != 3  # the step of zeros is any
    assert torch.equal(scaled[kept], (steps * factors.abs())[kept])
    assert torch.equal(quantizer.steps(weight[2:5], bits), steps[2:5])


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_codes_times_steps_are_the_rounded_weight(name: str, bits: int, weight: Tensor) -> None:
    rounder = WeightQuantizer(bits, QUANTIZERS[name]())
    codes, steps = rounder.codes(weight)
    assert codes.abs().max() <= 2 ** (bits - 1) - 1
    torch.testing.assert_close(rounder(weight), codes * steps.view(-1, 1, 1, 1), rtol=1e-6, atol=1e-7)
    assert not rounder(weight)[3].any()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_what_is_exported_is_the_rounded_weight(name: str, bits: int, weight: Tensor) -> None:
    gain, rounder = torch.tensor([1.0, -2.0, 0.3, 1.0, 5.0, -1.0]), WeightQuantizer(bits, QUANTIZERS[name]())
    stored = OnnxWeight(FoldedLayer(weight, gain, torch.zeros(6), rounder))
    codes, scale = stored.get_buffer("value"), stored.get_buffer("scale")
    assert codes.dtype == torch.int8
    expected = rounder(weight) * gain.view(-1, 1, 1, 1)
    torch.testing.assert_close(codes * scale.view(-1, 1, 1, 1), expected, rtol=1e-6, atol=1e-7)


def test_more_bits_round_no_worse_and_8_bits_round_well(name: str, weight: Tensor) -> None:
    quantizer = QUANTIZERS[name]()
    errors = torch.stack(
        [(WeightQuantizer(bits, quantizer)(weight) - weight).square().sum((1, 2, 3)) for bits in (2, 4, 8)]
    )
    assert (errors[1:] <= errors[:-1] + 1e-9).all()
    normal = [0, 4, 5]
    assert (errors[2] < 1e-2 * weight.square().sum((1, 2, 3)))[normal].all()


def test_a_learnt_step_comes_first(name: str, weight: Tensor) -> None:
    step = initial_step(weight, 4)
    assert torch.equal(WeightQuantizer(4, QUANTIZERS[name]())(weight, step), double_rounding(weight, step, 4))


def test_a_quantizer_is_a_value(name: str) -> None:
    quantizer = QUANTIZERS[name]()
    assert pickle.loads(pickle.dumps(quantizer)) == quantizer == QUANTIZERS[name]()
    assert hash(quantizer) == hash(QUANTIZERS[name]())
