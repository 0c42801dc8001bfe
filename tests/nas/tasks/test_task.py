"""The contract of tasks, over all of them: a new one is tested by its line in the registry and its labels here."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.tasks.metrics.registry import MEASURED_METRICS
from nas.tasks.registry import TASKS
from nas.tasks.task import Mixture, RawLabels, Task
from nas.training.step.distillation import distill

# raw labels of each task: 40 for training and 8 others
RAW: dict[str, tuple[list[Any], list[Any]]] = {
    "classification": (["a", "b", "c", "b"] * 10, ["c", "a"] * 4),
    "multi_label": ([["a"], [], ["a", "b"], ["c", "b"]] * 10, [["c"], []] * 4),
    "regression": ([[float(n), 1000.0 + n % 7] for n in range(40)], [[3, -1.5]] * 8),
}


def raw(values: Sequence[Any]) -> RawLabels:
    return RawLabels(values, lambda row: f"here row {row}", "here")


def right(task: Task, labels: Tensor) -> Tensor:
    """Outputs of a network in training that is right everywhere."""
    if labels.ndim == 1:
        return 100 * torch.eye(3)[labels]
    if task.view_as_logits(labels) is not None:
        return 100 * (labels - 0.5)
    return (labels - labels.double().mean(0).float()) / labels.double().std(0, correction=0).float()


@pytest.fixture(params=list(TASKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def encoded(name: str) -> tuple[Task, Tensor, tuple[str, ...]]:
    """The task, fitted to the training labels, these labels, and the names of the outputs."""
    found = TASKS[name].encode([raw(part) for part in RAW[name]], None)
    TASKS[name].check_training(found.labels[0], found.names)
    assert [len(part) for part in found.labels] == [40, 8]
    return TASKS[name].fit(found.labels[0]), found.labels[0], found.names


def test_a_task_is_a_value_with_a_headline(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    assert name in MEASURED_METRICS[task.headline].tasks
    assert pickle.loads(pickle.dumps(task)) == task
    assert task.find_strata(encoded(name)[1]).shape == (40,)


def test_the_loss_is_least_where_outputs_are_right(name: str) -> None:
    task, labels, names = encoded(name)
    outputs = torch.zeros(40, len(names), requires_grad=True)
    loss = task.compute_loss(outputs, labels)
    loss.backward()
    assert loss.shape == ()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    best = task.compute_loss(right(task, labels), labels)
    assert best < 1e-6 < loss


def test_mixed_labels_count_their_shares(name: str) -> None:
    task, labels, names = encoded(name)
    outputs, other = torch.randn(40, len(names), generator=torch.Generator().manual_seed(0)), labels.flip(0)
    losses = [task.compute_loss(outputs, one) for one in (labels, other)]
    mixed = task.compute_mixed_loss(outputs, labels, Mixture(other, 0.75))
    assert mixed.item() == pytest.approx(0.75 * losses[0].item() + 0.25 * losses[1].item())
    assert task.compute_mixed_loss(outputs, labels, None) == losses[0]


def test_a_student_is_best_where_it_says_what_its_teacher_says(name: str) -> None:
    task, _, names = encoded(name)
    teacher = torch.randn(5, len(names), generator=torch.Generator().manual_seed(0))
    student = teacher.clone().requires_grad_()
    distill(task, "kl", student, teacher).backward()
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-7
    if task.view_as_logits(teacher) is None:
        with pytest.raises(ValueError, match="divergence alpha is of probabilities"):
            distill(task, "alpha", student, teacher)


def test_a_finished_network_gives_what_metrics_read(name: str) -> None:
    task, labels, _ = encoded(name)
    network = task.finish_network(nn.Identity().eval())
    assert not network.training
    headline = MEASURED_METRICS[task.headline]
    found = headline.value(network(right(task, labels)), labels)
    assert headline.metric.costs(found) == pytest.approx(headline.metric.costs(headline.metric.bounds).min(), abs=1e-3)


def test_the_headline_gets_better_as_the_loss_falls(name: str) -> None:
    task, labels, names = encoded(name)
    outputs, headline = torch.zeros(40, len(names), requires_grad=True), MEASURED_METRICS[task.headline]
    finish = task.finish_network(nn.Identity())
    before = headline.value(finish(outputs.detach()), labels)
    for _ in range(50):
        (gradient,) = torch.autograd.grad(task.compute_loss(outputs, labels), outputs)
        outputs = (outputs - 10 * gradient).detach().requires_grad_()
    after = headline.value(finish(outputs.detach()), labels)
    assert headline.metric.costs(after) < headline.metric.costs(before)


def test_classes_are_weighed_where_there_are_classes(name: str) -> None:
    task, labels, names = encoded(name)
    if not task.weighs_classes:
        with pytest.raises(ValueError, match=f"task {name} has none; leave them out"):
            task.weigh("balanced", labels, names)
        return
    outputs = torch.randn(40, len(names), generator=torch.Generator().manual_seed(0))
    plain, alike = (one.compute_loss(outputs, labels) for one in (task, task.weigh((1.0,) * 3, labels, names)))
    assert alike.item() == pytest.approx(plain.item())
    assert task.weigh("balanced", labels, names).compute_loss(outputs, labels) != plain
