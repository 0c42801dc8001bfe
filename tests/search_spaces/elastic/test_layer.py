"""A layer rounds what integer hardware rounds, where it rounds it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

INPUTS = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def layer(activation: str | None, policy: LayerPolicy) -> Layer:
    torch.manual_seed(1)
    return Layer(LayerSpec.conv("a", Convolution.square(3, 4, 3, 1, 1), 6, activation=activation), policy).eval()


def test_neutral_policies_leave_the_torch_operations() -> None:
    made = layer("relu", LayerPolicy())
    assert torch.equal(made(INPUTS), nn.Sequential(made.op, made.norm, nn.ReLU())(INPUTS))


@pytest.mark.parametrize("activation", ["relu", "hard_swish"])
def test_accumulators_are_rounded_after_a_relu_and_before_any_other_activation(activation: str) -> None:
    made = layer(activation, LayerPolicy.quantized(8, 3))
    seen: list[torch.Tensor] = []
    made.output_quantizer.register_forward_hook(lambda _m, _i, rounded: seen.append(rounded))
    outputs = made(INPUTS)
    assert len(seen[0].unique()) <= 8
    assert torch.equal(outputs, seen[0] if activation == "relu" else nn.Hardswish()(seen[0]))
    assert (seen[0] < 0).any() == (activation != "relu")


def test_weight_and_input_are_rounded_too() -> None:
    made = layer(None, LayerPolicy.quantized(2, 3))
    seen: dict[nn.Module, torch.Tensor] = {}
    for quantizer in (made.weight_quantizer, made.input_quantizer):
        quantizer.register_forward_hook(lambda module, _, rounded: seen.update({module: rounded}))
    made(INPUTS)
    assert len(seen[made.input_quantizer].unique()) <= 8
    assert all(len(channel.unique()) <= 3 for channel in seen[made.weight_quantizer])


def test_a_learnt_step_is_a_parameter_that_outlives_its_policy() -> None:
    made = layer(None, LayerPolicy.quantized(4))
    names = set(made.state_dict())
    dynamic = made(INPUTS)
    made.learn_weight_step(8)
    assert set(made.state_dict()) == names | {"log_weight_step"}
    step = made.log_weight_step
    torch.testing.assert_close(127 * made.weight_step, made.op.weight.abs().amax((1, 2, 3)))
    assert not torch.equal(made(INPUTS), dynamic)
    made(INPUTS).sum().backward()
    assert step.grad.any()
    made.quantize(LayerPolicy())
    assert made.log_weight_step is step
    assert torch.equal(made(INPUTS), made.norm(made.op(INPUTS)))


def test_a_step_without_storage_has_its_shape() -> None:
    made = Layer(LayerSpec.linear("a", 3, 4, bias=False), device="meta")
    made.learn_weight_step(8)
    assert (made.log_weight_step.device.type, tuple(made.log_weight_step.shape)) == ("meta", (4,))


def test_a_kept_weight_is_no_parameter_of_its_own() -> None:
    made = layer(None, LayerPolicy())
    names, outputs = set(made.state_dict()), made(INPUTS)
    made.keep_rounded_weight()
    assert set(made.state_dict()) == names
    assert torch.equal(made(INPUTS), outputs)
    made.quantize(LayerPolicy.quantized(2))
    assert not torch.equal(made(INPUTS), outputs)
