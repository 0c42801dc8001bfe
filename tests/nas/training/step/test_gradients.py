"""One training step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.tasks.regression import REGRESSION
from nas.training.schedules.phase import Phase
from nas.training.step.batches import Batch
from nas.training.step.distillation import alpha_divergence, soft_cross_entropy
from nas.training.step.gradients import StepLoss, accumulate_gradients, compute_mean_width
from nas.training.step.subnets import draw_subnets
from search_spaces.candidate import Architecture, Candidate
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace

BATCH = Batch(torch.randn(8, 1, 12, 12, generator=torch.Generator().manual_seed(0)), torch.arange(8))
SANDWICH = Phase("p", 1, 0.1, subnets=("largest", "smallest", "random", "random"), loss="in_place")
SMOOTHING = 0.1


@pytest.fixture(params=["mobilenet_v3_digits", "resnet_digits"])
def net(request: pytest.FixtureRequest) -> Supernet:
    return build_supernet(create_space(request.param, 1, 10), seed=0).train()


def whole(net: Supernet) -> Subspace:
    return Subspace.whole(JointSpace(net.space, PolicySpace.parse(["w32a32", "w8a8", "w4a8"])))


def at_12(net: Supernet) -> Subspace:
    return whole(net).restrict(0, (0,))


def subnets(net: Supernet, phase: Phase = SANDWICH) -> list[Candidate]:
    return draw_subnets(at_12(net), phase, np.random.default_rng(1))


def logits(net: nn.Module, candidate: Candidate) -> Tensor:
    found: Tensor = net(BATCH.inputs, candidate.architecture, candidate.policy)
    return found


def gradients(net: Supernet) -> dict[str, Tensor]:
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in net.named_parameters()}


def test_numbers_are_learnt_from_labels_and_from_the_numbers_of_a_teacher(net: Supernet) -> None:
    candidates, labels = subnets(net)[:2], torch.randn(8, 10, generator=torch.Generator().manual_seed(1))
    found = [logits(copy.deepcopy(net), one) for one in candidates]
    losses = accumulate_gradients(net, candidates, replace(BATCH, labels=labels), StepLoss(SANDWICH, task=REGRESSION))
    assert losses[0].item() == pytest.approx(F.mse_loss(found[0], labels).item(), rel=1e-4)
    assert losses[1].item() == pytest.approx(F.mse_loss(found[1], found[0]).item(), rel=1e-4)


@pytest.mark.parametrize("loss", ["labels", "teacher", "in_place"])
def test_the_gradient_of_a_step_is_the_sum_of_separate_ones(net: Supernet, loss: str) -> None:
    phase = replace(SANDWICH, loss=loss)
    candidates = subnets(net)
    teacher = build_supernet(net.space, seed=7).extract(whole(net).largest().architecture).train()
    frozen = teacher(BATCH.inputs).detach()
    in_place = logits(copy.deepcopy(net), candidates[0]).detach()

    def loss_of(number: int, found: Tensor) -> Tensor:
        labels = F.cross_entropy(found, BATCH.labels, label_smoothing=SMOOTHING)
        if loss == "teacher":
            return labels + soft_cross_entropy(found, frozen)
        return soft_cross_entropy(found, in_place) if loss == "in_place" and number else labels

    total = {name: torch.zeros_like(parameter) for name, parameter in net.named_parameters()}
    expected = []
    for number, candidate in enumerate(candidates):
        alone = copy.deepcopy(net)
        found = loss_of(number, logits(alone, candidate))
        found.backward()
        expected.append(found.item())
        for name, gradient in gradients(alone).items():
            total[name] += gradient * (0.25 if number else 1)
    losses = accumulate_gradients(net, candidates, BATCH, StepLoss(phase, 0.25, SMOOTHING, teacher))
    assert losses.tolist() == pytest.approx(expected, rel=1e-4)  # before weighting
    for name, gradient in gradients(net).items():
        torch.testing.assert_close(gradient, total[name], rtol=1e-4, atol=1e-6)
    assert all(parameter.grad is None for parameter in teacher.parameters()) or loss != "teacher"


def test_subnets_without_weight_are_left_out(net: Supernet) -> None:
    candidates = subnets(net)
    alone = copy.deepcopy(net)
    losses = accumulate_gradients(net, candidates, BATCH, StepLoss(SANDWICH, 0.0))
    accumulate_gradients(alone, candidates[:1], BATCH, StepLoss(SANDWICH))
    assert losses.shape == (1,)
    assert all(torch.equal(gradient, gradients(alone)[name]) for name, gradient in gradients(net).items())
    assert all(torch.equal(tensor, alone.state_dict()[name]) for name, tensor in net.state_dict().items())


def test_distillation_sends_nothing_through_the_teacher(net: Supernet) -> None:
    teacher, smallest, *_ = subnets(net)
    alone = copy.deepcopy(net)
    accumulate_gradients(alone, [teacher], BATCH, StepLoss(SANDWICH))
    accumulate_gradients(net, [teacher, smallest], BATCH, StepLoss(SANDWICH))
    in_smallest = {layer.name for layer in net.space.layers(smallest.architecture)}
    teacher_only = {layer.name for layer in net.space.layers(teacher.architecture)} - in_smallest
    assert teacher_only
    for layer in teacher_only:
        name = f"leaves.0.network.{layer}.op.weight"
        assert gradients(alone)[name].any()
        assert torch.equal(gradients(net)[name], gradients(alone)[name])
    stem = "leaves.0.network.stem.op.weight"
    assert not torch.equal(gradients(net)[stem], gradients(alone)[stem])


def test_weights_outside_all_subnets_get_no_gradient(net: Supernet) -> None:
    smallest = subnets(net)[1]
    accumulate_gradients(net, [smallest, smallest], BATCH, StepLoss(replace(SANDWICH, loss="labels"), 0.5))
    used = {layer.name: layer for layer in net.space.layers(smallest.architecture)}
    touched = 0
    for name, gradient in gradients(net).items():
        if not name.endswith(".op.weight"):
            continue
        layer = used.get(name.removeprefix("leaves.0.network.").removesuffix(".op.weight"))
        outside = gradient.clone()
        if layer is not None:
            rows, columns, *kernel = layer.operator.weight_shape
            ring = (gradient.shape[-1] - kernel[-1]) // 2 if kernel else 0
            inner = [slice(ring, gradient.shape[-1] - ring)] * len(kernel)
            index = (slice(rows), slice(columns), *inner)
            touched += int(outside[index].any())
            outside[index] = 0
        assert not outside.any(), name
    assert touched == len(used)


def test_students_are_compared_with_the_teacher_as_asked(net: Supernet) -> None:
    candidates = subnets(net)
    clone = copy.deepcopy(net)
    teacher = logits(clone, candidates[0])
    for divergence, compare in (("kl", soft_cross_entropy), ("alpha", alpha_divergence)):
        in_place = StepLoss(replace(SANDWICH, divergence=divergence))
        losses = accumulate_gradients(copy.deepcopy(net), candidates, BATCH, in_place)
        expected = [compare(logits(clone, one), teacher).item() for one in candidates[1:]]
        assert losses[1:].tolist() == pytest.approx(expected)
        frozen = build_supernet(net.space, seed=7).extract(candidates[0].architecture).train()
        by_teacher = StepLoss(replace(SANDWICH, loss="teacher", divergence=divergence), teacher=frozen)
        losses = accumulate_gradients(copy.deepcopy(net), candidates, BATCH, by_teacher)
        found = [logits(clone, one) for one in candidates]
        labels = [F.cross_entropy(one, BATCH.labels).item() for one in found]
        softly = [compare(one, frozen(BATCH.inputs)).item() for one in found]
        assert losses.tolist() == pytest.approx([sum(pair) for pair in zip(labels, softly, strict=True)])


@pytest.mark.parametrize("loss", ["labels", "teacher", "in_place"])
def test_losses_are_computed_in_float32_whatever_the_arithmetic(net: Supernet, loss: str) -> None:
    teacher = build_supernet(net.space, seed=7).extract(whole(net).largest().architecture).train()
    seen: list[torch.dtype] = []
    net.leaves[0].register_forward_hook(lambda _module, _inputs, found: seen.append(found.dtype))
    for divergence in ("kl",) if loss == "labels" else ("kl", "alpha"):
        phase = replace(SANDWICH, loss=loss, divergence=divergence)
        candidates = draw_subnets(
            Subspace.whole(JointSpace(net.space)).restrict(0, (0,)), phase, np.random.default_rng(1)
        )
        exact = accumulate_gradients(copy.deepcopy(net), candidates, BATCH, StepLoss(phase, teacher=teacher))
        seen.clear()
        with torch.autocast("cpu", torch.bfloat16):
            losses = accumulate_gradients(net, candidates, BATCH, StepLoss(phase, teacher=teacher))
        assert set(seen) == {torch.bfloat16}
        assert losses.dtype == torch.float32
        assert not torch.equal(losses, losses.bfloat16().float())
        torch.testing.assert_close(losses, exact, rtol=0.1, atol=0.05)
        assert {gradient.dtype for gradient in gradients(net).values()} == {torch.float32}


class Recorder(nn.Module):
    """Stands for a supernet; keeps the dropout of each subnet."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.space, self.drops, self.bias = space, [], nn.Parameter(torch.zeros(10))

    def forward(
        self, inputs: Tensor, architecture: Architecture, policy: object, drop: Callable[[Tensor], Tensor] | None
    ) -> Tensor:
        self.drops.append(drop)
        return self.bias.expand(len(inputs), 10)


def test_dropout_is_in_proportion_to_the_mean_width(net: Supernet) -> None:
    candidates, recorder = subnets(net), Recorder(net.space)
    phase = replace(SANDWICH, dropout=0.4)
    step_loss = StepLoss(phase, generator=torch.Generator().manual_seed(0))
    accumulate_gradients(recorder, candidates, BATCH, step_loss)  # type: ignore
    largest = whole(net).largest().architecture
    full = {layer.name: layer.out_channels for layer in net.space.layers(largest)}
    features = torch.ones(400, 500)
    for candidate, drop in zip(candidates, recorder.drops, strict=True):
        layers = net.space.layers(candidate.architecture)
        share = np.mean([layer.out_channels / full[layer.name] for layer in layers])
        assert compute_mean_width(net.space, candidate.architecture, largest) == pytest.approx(share)
        dropped = drop(features)
        assert (dropped == 0).float().mean().item() == pytest.approx(0.4 * share, abs=0.005)
        assert dropped.mean().item() == pytest.approx(1, abs=0.01)  # what stays makes up for what goes
    assert compute_mean_width(net.space, largest, largest) == 1
    assert compute_mean_width(net.space, candidates[1].architecture, largest) < 0.9


def test_dropout_follows_its_generator_and_none_changes_nothing(net: Supernet) -> None:
    def step(dropout: float, seed: int) -> dict[str, Tensor]:
        clone = copy.deepcopy(net)
        generator = torch.Generator().manual_seed(seed)
        accumulate_gradients(
            clone, subnets(net), BATCH, StepLoss(replace(SANDWICH, dropout=dropout), generator=generator)
        )
        return gradients(clone)

    def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
        return all(torch.equal(gradient, other[name]) for name, gradient in one.items())

    assert same(step(0.0, 1), step(0.0, 2))
    assert same(step(0.3, 1), step(0.3, 1))
    assert not same(step(0.3, 1), step(0.3, 2))
    assert not same(step(0.3, 1), step(0.0, 1))
