"""Steps of ScaledAdam are relative to the tensor."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from nas.training.step.scaled_adam import ScaledAdam

GENERATOR = torch.Generator().manual_seed(0)
START = torch.randn(6, 4, generator=GENERATOR, dtype=torch.float64)
TARGET = torch.randn(6, 4, generator=GENERATOR, dtype=torch.float64)


def train(optimizer: ScaledAdam, parameter: Tensor, steps: int, unit: float = 1.0) -> float:
    loss = torch.tensor(torch.inf)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (parameter / unit - TARGET).square().sum()
        loss.backward()
        optimizer.step()
    return loss.item()


def test_first_step_by_hand() -> None:
    parameter = torch.tensor([3.0, -4.0], dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.tensor([2.0, 1.0], dtype=torch.float64)  # h = 6 - 4 > 0
    ScaledAdam([parameter], lr=0.01, eps=0.0).step()
    rms = 12.5**0.5
    assert parameter.tolist() == pytest.approx([3 - 0.01 * (rms + 0.1 * 3), -4 - 0.01 * (rms - 0.1 * 4)])


def test_relative_updates_do_not_depend_on_the_unit_of_a_tensor() -> None:
    ends = []
    for unit in (1.0, 10.0):
        parameter = (unit * START).requires_grad_()
        train(ScaledAdam([parameter], weight_decay=0.1), parameter, 50, unit)
        ends.append(parameter.detach() / unit)
    assert not torch.allclose(ends[0], START, rtol=0.1)
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("start", [START, torch.zeros_like(START)])
def test_it_minimises_a_quadratic(start: Tensor) -> None:
    parameter = start.clone().requires_grad_()
    optimizer = ScaledAdam([parameter])
    train(optimizer, parameter, 1000)
    optimizer.param_groups[0]["lr"] = 0.001
    assert train(optimizer, parameter, 300) < 1e-4 * TARGET.square().sum()


def test_state_of_plain_tensors_continues_bit_for_bit() -> None:
    parameter = START.clone().requires_grad_()
    optimizer = ScaledAdam([parameter], weight_decay=0.1)
    train(optimizer, parameter, 7)
    resumed = parameter.detach().clone().requires_grad_()
    stored = {0: load(save(dict(optimizer.state[parameter])))}
    other = ScaledAdam([resumed])
    other.load_state_dict(optimizer.state_dict() | {"state": stored})
    assert train(optimizer, parameter, 7) == train(other, resumed, 7)
    assert torch.equal(parameter, resumed)


def test_only_parameters_with_gradients_move_and_a_closure_returns_its_loss() -> None:
    moved, resting = START.clone().requires_grad_(), START.clone().requires_grad_()
    optimizer = ScaledAdam([moved, resting], weight_decay=0.1)

    def closure() -> float:
        loss = moved.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == pytest.approx(START.square().sum().item())
    assert not torch.equal(moved, START)
    assert torch.equal(resting, START)


@pytest.mark.parametrize(("setting", "rule"), [({"lr": -1.0}, "at least 0"), ({"betas": (0.9, 1.0)}, "below 1")])
def test_settings_out_of_range_are_refused(setting: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ScaledAdam([START.clone().requires_grad_()], **setting)  # type: ignore[arg-type]
