"""Losses of a student that learns from the outputs of its teacher; gradients go to the student only.

Source: Wang et al., "AlphaNet: Improved Training of Supernets with Alpha-Divergence", ICML 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.tasks.task import Task

_NEAR_LIMIT = 1e-3  # an alpha this close to 0 or 1 means the limit, where the general formula divides by zero


def soft_cross_entropy(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Cross-entropy against the teacher's probabilities; its gradient is that of KL(teacher || student).

    Args:
        student_logits: Logits of the student, shape (n, classes).
        teacher_logits: Logits of the teacher, shape (n, classes); detached.

    Returns:
        The mean over the batch, a scalar.
    """
    return F.cross_entropy(student_logits, teacher_logits.detach().softmax(1))


def alpha_divergence(
    student_logits: Tensor,
    teacher_logits: Tensor,
    alpha_minus: float = -1.0,
    alpha_plus: float = 1.0,
    clip: float = 5.0,
) -> Tensor:
    """The mean over the samples of the larger of two alpha-divergences.

    A negative order punishes a student that is confident where the teacher is not, a positive order one that is not
    confident where the teacher is.

    Args:
        student_logits: Logits of the student, shape (n, classes).
        teacher_logits: Logits of the teacher, shape (n, classes); detached.
        alpha_minus: The negative order.
        alpha_plus: The positive order.
        clip: The largest power of an importance weight, as in `divergence`.

    Returns:
        The mean over the batch, a scalar.

    Raises:
        ValueError: If `clip` is below 1.
    """
    minus = divergence(student_logits, teacher_logits, alpha_minus, clip)
    plus = divergence(student_logits, teacher_logits, alpha_plus, clip)
    return torch.maximum(minus, plus).mean()


def divergence(student_logits: Tensor, teacher_logits: Tensor, alpha: float, clip: float = math.inf) -> Tensor:
    """D_alpha(p || q) = sum_i q_i ((p_i / q_i)^alpha - 1) / (alpha (alpha - 1)), teacher p, student q.

    Its limits are KL(p || q) at alpha = 1 and KL(q || p) at alpha = 0. They hold no power of p / q, so nothing is
    clipped there.

    The gradient is -sum_i q_i min((p_i / q_i)^alpha, clip) grad(log q_i) / alpha, the published one. It is the exact
    gradient of the value where nothing is clipped. Elsewhere it is bounded by clip / |alpha| and still raises q_i
    where p_i is much larger (alpha > 0); the gradient of the clipped value would lower it there for alpha > 1.
    A clipped value may be negative.

    Args:
        student_logits: Logits of the student, shape (n, classes).
        teacher_logits: Logits of the teacher, shape (n, classes); detached.
        alpha: The order of the divergence.
        clip: The largest (p_i / q_i)^alpha, at least 1.

    Returns:
        Shape (n,).

    Raises:
        ValueError: If `clip` is below 1.
    """
    if not clip >= 1:
        raise ValueError(f"clip must be at least 1, the power of equal probabilities; got {clip}")
    log_p = teacher_logits.detach().log_softmax(1)
    log_q = student_logits.log_softmax(1)
    p, q = log_p.exp(), log_q.detach().exp()
    log_ratio = log_p - log_q.detach()
    if abs(alpha) < _NEAR_LIMIT:
        value = -(q * log_ratio).sum(1)
        pull = q * log_ratio
    elif abs(alpha - 1) < _NEAR_LIMIT:
        value = (p * log_ratio).sum(1)
        pull = p
    else:
        power = (alpha * log_ratio).clamp(max=math.log(clip)).exp()
        value = (q * (power - 1)).sum(1) / (alpha * (alpha - 1))
        pull = q * power / alpha
    # returns `value`, and has the gradient of `surrogate`
    surrogate = -(pull * log_q).sum(1)
    return surrogate + (value - surrogate.detach())


DIVERGENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"kl": soft_cross_entropy, "alpha": alpha_divergence}


def distill(task: Task, divergence: str, student: Tensor, teacher: Tensor) -> Tensor:
    """The loss by a teacher: a divergence of distributions or, where outputs are numbers, the mean squared difference.

    Args:
        task: Says what outputs are.
        divergence: Name of the divergence, of `DIVERGENCES`.
        student: Outputs of the student, shape (batch, outputs).
        teacher: Outputs of the teacher, shape (batch, outputs); detached.

    Returns:
        The mean over the batch, a scalar.

    Raises:
        ValueError: If outputs are numbers, of which there is no other divergence than `kl`, which between normal
            distributions of equal spread is their squared difference.
    """
    logits, targets = task.view_as_logits(student), task.view_as_logits(teacher)
    if logits is not None and targets is not None:
        return DIVERGENCES[divergence](logits, targets)
    if divergence != "kl":
        raise ValueError(f"divergence {divergence} is of probabilities, which task {task.name} has not; take kl")
    return F.mse_loss(student, teacher.detach())
