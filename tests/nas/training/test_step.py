"""One step of the sandwich rule (METHODS 3.2, part 5)."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nas.training.sandwich import accumulate_gradients, sandwich
from search_spaces.candidate import Architecture
from search_spaces.elastic.registry import supernet
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.registry import search_space

INPUTS = torch.randn(8, 1, 12, 12, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8)


@pytest.fixture(params=["mobilenet_v3_digits", "resnet_digits"])
def net(request: pytest.FixtureRequest) -> Supernet:
    return supernet(search_space(request.param, 1, 10), seed=0).train()


def subnets(net: Supernet) -> list[Architecture]:
    return sandwich(JointSpace(net.space), 12, 2, np.random.default_rng(1))


def gradients(net: Supernet) -> dict[str, torch.Tensor]:
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in net.named_parameters()}


def test_largest_then_smallest_then_random_subnets_at_one_resolution(net: Supernet) -> None:
    space = JointSpace(net.space)
    for seed in range(20):
        chosen = sandwich(space, 12, 3, np.random.default_rng(seed))
        assert len(chosen) == 5
        assert {architecture.resolution for architecture in chosen} == {12}
        assert chosen[0].stages == space.largest().architecture.stages
        assert chosen[1].stages == space.smallest().architecture.stages
        assert chosen == sandwich(space, 12, 3, np.random.default_rng(seed))
    assert len({sandwich(space, 12, 1, np.random.default_rng(seed))[2] for seed in range(20)}) > 10


def test_the_gradient_of_a_step_is_the_sum_of_separate_ones(net: Supernet) -> None:
    teacher, *students = subnets(net)
    targets = copy.deepcopy(net)(INPUTS, teacher).detach().softmax(1)
    total = {name: torch.zeros_like(parameter) for name, parameter in net.named_parameters()}
    for index, architecture in enumerate([teacher, *students]):
        alone = copy.deepcopy(net)
        logits = alone(INPUTS, architecture)
        loss = F.cross_entropy(logits, targets) if index else F.cross_entropy(logits, LABELS, label_smoothing=0.1)
        loss.backward()
        for name, gradient in gradients(alone).items():
            total[name] += gradient
    reported = accumulate_gradients(net, [teacher, *students], INPUTS, LABELS, 0.1)
    for name, gradient in gradients(net).items():
        torch.testing.assert_close(gradient, total[name], rtol=1e-5, atol=1e-6)
    expected = F.cross_entropy(copy.deepcopy(net)(INPUTS, teacher), LABELS, label_smoothing=0.1)
    assert reported == pytest.approx(expected.item())


def test_distillation_sends_nothing_through_the_teacher(net: Supernet) -> None:
    teacher, smallest, *_ = subnets(net)
    alone = copy.deepcopy(net)
    accumulate_gradients(alone, [teacher], INPUTS, LABELS, 0.0)
    accumulate_gradients(net, [teacher, smallest], INPUTS, LABELS, 0.0)
    in_smallest = {layer.name for layer in net.space.layers(smallest)}
    teacher_only = {layer.name for layer in net.space.layers(teacher)} - in_smallest
    for layer in teacher_only:
        name = f"network.{layer}.op.weight"
        assert gradients(alone)[name].any()
        assert torch.equal(gradients(net)[name], gradients(alone)[name])
    assert not torch.equal(gradients(net)["network.stem.op.weight"], gradients(alone)["network.stem.op.weight"])
