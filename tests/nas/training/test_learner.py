"""What a training changes: leaves inherit, the optimiser goes along, and all of it comes back from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nas.training.learner import Learner
from nas.training.settings import TrainingSettings
from nas.training.step.optimizer import read_optimizer_state
from search_spaces.subspace import Subspace

BITS = ("w32a32", "w4a8")


@pytest.fixture
def stepped(lab: Callable[..., Any]) -> Learner:
    """A learner after one step, so that its optimiser has a state."""
    learner = Learner(lab("resnet_digits", BITS).supernet(), TrainingSettings(), torch.device("cpu"))
    for group in learner.optimizer.param_groups:
        group["lr"] = 0.1
    for number, parameter in enumerate(learner.parameters):
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    learner.optimizer.step()
    return learner


def state(learner: Learner) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in read_optimizer_state(learner.optimizer, learner.supernet).items()}


def test_new_leaves_inherit_weights_and_momentum(stepped: Learner, lab: Callable[..., Any]) -> None:
    whole, before = Subspace.whole(lab("resnet_digits", BITS).space), state(stepped)
    weights = {name: tensor.clone() for name, tensor in stepped.supernet.state_dict().items()}
    stepped.split_leaves([(0, whole.restrict(0, (0,))), (0, whole.restrict(0, (1,)))])
    after = state(stepped)
    assert len(after) == 2 * len(before) > 0
    for found, old in ((after, before), (stepped.supernet.state_dict(), weights)):
        for name, tensor in found.items():
            assert torch.equal(tensor, old[name.replace("leaves.1.", "leaves.0.", 1)]), name
    assert {id(parameter) for group in stepped.optimizer.param_groups for parameter in group["params"]} == {
        id(parameter) for parameter in stepped.supernet.parameters()
    }


def test_learnt_steps_are_added_once_and_momentum_stays(stepped: Learner) -> None:
    before = state(stepped)
    stepped.learn_weight_steps(4)
    optimizer, parameters = stepped.optimizer, list(stepped.parameters)
    assert any(name.endswith("log_weight_step") for name, _ in stepped.supernet.named_parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(stepped).items())
    stepped.learn_weight_steps(2)
    assert stepped.optimizer is optimizer
    assert all(one is other for one, other in zip(stepped.parameters, parameters, strict=True))


def test_sorting_forgets_momentum(stepped: Learner) -> None:
    stepped.sort_channels(None)
    assert state(stepped) == {}


def test_all_of_it_comes_back(stepped: Learner, lab: Callable[..., Any], tmp_path: Path) -> None:
    trained = lab("resnet_digits", BITS)
    largest = trained.space.largest()
    stepped.copy_teacher(largest)
    stepped.policy_probabilities = {9: [0.75, 0.25]}
    stepped.save(tmp_path / "a.safetensors", 3, "a plan")
    other = Learner(trained.supernet(seed=1), TrainingSettings(), torch.device("cpu"))
    with pytest.raises(ValueError, match="is a training by another schedule"):
        other.load(tmp_path / "a.safetensors", "another plan", largest)
    assert other.load(tmp_path / "a.safetensors", "a plan", largest) == 3
    assert other.policy_probabilities == {9: [0.75, 0.25]}
    assert other.teacher is not None
    assert stepped.teacher is not None
    for found, old in (
        (state(other), state(stepped)),
        (other.supernet.state_dict(), stepped.supernet.state_dict()),
        (other.teacher.state_dict(), stepped.teacher.state_dict()),
    ):
        assert found.keys() == old.keys()
        assert all(torch.equal(tensor, old[name]) for name, tensor in found.items())
    assert not any(parameter.requires_grad for parameter in other.teacher.parameters())
