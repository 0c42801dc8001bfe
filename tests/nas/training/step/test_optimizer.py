"""The state of an optimiser comes back as it was: bit for bit, where it was and laid out as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nas.training.step.optimizer import OptimizerName, create_optimizer, read_optimizer_state
from search_spaces.elastic.supernet import Supernet


def take_a_step(net: Supernet, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.01
    for number, parameter in enumerate(net.parameters()):
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    optimizer.step()


@pytest.mark.parametrize("name", ["sgd", "scaled_adam"])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_state_comes_back_in_the_memory_format_of_its_parameter(
    lab: Callable[..., Any], name: OptimizerName, memory_format: torch.memory_format
) -> None:
    net = lab("resnet_digits").supernet().to(memory_format=memory_format)
    optimizer = create_optimizer(net, name, 1e-4)
    assert read_optimizer_state(optimizer, net) == {}
    take_a_step(net, optimizer)
    state = read_optimizer_state(optimizer, net)
    stored = {key: tensor.contiguous() for key, tensor in state.items()}  # as a file holds it
    restored = create_optimizer(net, name, 1e-4, stored)
    again = read_optimizer_state(restored, net)
    assert again.keys() == state.keys()
    four_axes = 0
    for key, tensor in again.items():
        assert torch.equal(tensor, state[key]), key
        assert tensor.data_ptr() not in (stored[key].data_ptr(), state[key].data_ptr()), key
        assert not tensor.requires_grad
        if tensor.dim() == 4:
            four_axes += 1
            assert tensor.is_contiguous(memory_format=memory_format), key
        if key.endswith("/step"):
            assert (tensor.device.type, tensor.shape) == ("cpu", ())
    assert four_axes
    assert any(key.endswith("/step") for key in again) == (name == "scaled_adam")
    before = [parameter.detach().clone() for parameter in net.parameters()]
    ends = []
    for one in (optimizer, restored):
        with torch.no_grad():
            for parameter, value in zip(net.parameters(), before, strict=True):
                parameter.copy_(value)
        take_a_step(net, one)
        ends.append([parameter.detach().clone() for parameter in net.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_the_count_of_steps_stays_on_the_cpu(lab: Callable[..., Any]) -> None:
    net = lab("resnet_digits").supernet().to("meta")  # stands for an accelerator
    key = next(name for name, _ in net.named_parameters())
    state = {f"{key}/step": torch.tensor(3.0), f"{key}/scale_exp_avg": torch.tensor(1.0)}
    found = read_optimizer_state(create_optimizer(net, "scaled_adam", 0.0, state), net)
    assert {name.rpartition("/")[2]: tensor.device.type for name, tensor in found.items()} == {
        "step": "cpu",
        "scale_exp_avg": "meta",
    }


def test_only_weights_of_layers_decay(lab: Callable[..., Any]) -> None:
    net = lab("mobilenet_v3_digits").supernet()
    decaying, others = create_optimizer(net, "sgd", 1e-3).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (1e-3, 0)
    names = {parameter: name for name, parameter in net.named_parameters()}
    assert {names[parameter].endswith("op.weight") for parameter in decaying["params"]} == {True}
    assert {names[parameter].endswith("op.weight") for parameter in others["params"]} == {False}
    assert len(decaying["params"]) + len(others["params"]) == len(names)
