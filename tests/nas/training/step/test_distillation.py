"""Known answers of the divergences."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.training.step.distillation import DIVERGENCES, alpha_divergence, divergence, soft_cross_entropy

TEACHER = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
STUDENT = torch.tensor([[0.75, 0.25]], dtype=torch.float64).log()
KNOWN = {-1.0: 1 / 8, 0.0: 0.75 * math.log(1.5) + 0.25 * math.log(0.5), 1.0: 0.5 * math.log(4 / 3), 2.0: 1 / 6}


def logits(seed: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(16, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(value: Tensor, by: Tensor) -> Tensor:
    return torch.autograd.grad(value, by)[0]


@pytest.mark.parametrize("alpha", KNOWN)
def test_known_divergences(alpha: float) -> None:
    assert divergence(STUDENT, TEACHER, alpha).item() == pytest.approx(KNOWN[alpha], rel=1e-12)
    assert divergence(STUDENT, TEACHER, alpha + 2e-3).item() == pytest.approx(KNOWN[alpha], rel=1e-2)
    assert divergence(TEACHER, TEACHER, alpha).item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("alpha", [-1.0, 0.0, 0.5, 1.0, 2.0])
def test_unclipped_gradient_is_the_derivative_of_the_definition(alpha: float) -> None:
    student, teacher = logits(0).requires_grad_(), logits(1)
    p, q = teacher.softmax(1), student.softmax(1)
    if alpha == 0:
        expected = (q * (q / p).log()).sum(1)
    elif alpha == 1:
        expected = (p * (p / q).log()).sum(1)
    else:
        expected = (q * ((p / q) ** alpha - 1)).sum(1) / (alpha * (alpha - 1))
    value = divergence(student, teacher, alpha)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient(value.sum(), student), gradient(expected.sum(), student))


def test_alpha_divergence_takes_the_larger_per_sample() -> None:
    student, teacher = logits(0), logits(1)
    sides = torch.stack([divergence(student, teacher, alpha, 5.0) for alpha in (-1.0, 1.0)])
    assert set(sides.argmax(0).tolist()) == {0, 1}
    torch.testing.assert_close(alpha_divergence(student, teacher), sides.amax(0).mean())
    assert alpha_divergence(STUDENT, TEACHER).item() == pytest.approx(KNOWN[1.0])


@pytest.mark.parametrize("alpha", [-1.0, 2.0])
def test_clipped_gradients_are_bounded_and_point_to_the_teacher(alpha: float) -> None:
    student = torch.tensor([[-300.0, 0.0, 300.0], [-5.0, 0.0, 5.0]], requires_grad=True)
    teacher = -student.detach()
    found = gradient(divergence(student, teacher, alpha, clip=5.0).sum(), student)
    assert found.isfinite().all()
    assert found.abs().max() <= 5 / abs(alpha)
    assert found[1, 0] < 0 < found[1, 2]
    assert gradient(alpha_divergence(student, teacher), student).isfinite().all()
    p, q = teacher[1].double().softmax(0), student[1].double().softmax(0)
    clipped = (q * (((p / q) ** alpha).clamp(max=5) - 1)).sum() / (alpha * (alpha - 1))
    assert divergence(student, teacher, alpha, clip=5.0)[1].item() == pytest.approx(clipped.item(), rel=1e-5)
    with pytest.raises(ValueError, match="clip must be at least 1"):
        divergence(student, teacher, alpha, clip=0.5)


def test_soft_cross_entropy_is_the_cross_entropy_with_probabilities() -> None:
    student, teacher = logits(0), logits(1)
    assert torch.equal(soft_cross_entropy(student, teacher), F.cross_entropy(student, teacher.softmax(1)))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_gradient_reaches_the_student_only(name: str) -> None:
    student, teacher = logits(0).requires_grad_(), logits(1, spread=5.0).requires_grad_()
    loss = DIVERGENCES[name](student, teacher)
    assert loss.shape == ()
    loss.backward()
    assert student.grad is not None
    assert student.grad.any()
    assert teacher.grad is None
