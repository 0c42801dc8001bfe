"""The gradients of one step: the losses of its subnets, and their gradients on the shared weights.

Sources: Cai et al., "Once-for-All", ICLR 2020 (frozen teacher); Yu et al., "BigNAS", ECCV 2020, section 3.1 (sandwich
rule, in-place distillation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from nas.tasks.classification import CLASSIFICATION
from nas.tasks.task import Task
from nas.training.schedules.phase import Phase
from nas.training.step.batches import Batch
from nas.training.step.distillation import distill
from search_spaces.candidate import Architecture, Candidate
from search_spaces.elastic.supernet import Supernet
from search_spaces.search_space import SearchSpace


@dataclass(frozen=True)
class StepLoss:
    """What the subnets of one step learn from.

    Attributes:
        phase: The phase, with its loss, its divergence and its dropout.
        others_weight: Weight of the loss of all subnets but the first; at 0 only the first is trained.
        label_smoothing: Label smoothing of the loss by labels, in [0, 1).
        teacher: The frozen largest network, where the phase has one.
        generator: Draws the features that dropout drops.
        task: What the labels mean.
    """

    phase: Phase
    others_weight: float = 1.0
    label_smoothing: float = 0.0
    teacher: nn.Module | None = None
    generator: torch.Generator | None = None
    task: Task = CLASSIFICATION


def accumulate_gradients(
    supernet: Supernet, candidates: Sequence[Candidate], batch: Batch, step_loss: StepLoss
) -> Tensor:
    """Adds the gradients of one step to the parameters of the supernet.

    Args:
        supernet: The supernet, in training mode.
        candidates: The subnets; the first one teaches the others where the phase distils in place.
        batch: The images and labels of the step.
        step_loss: The loss of the subnets.

    Returns:
        The loss of each subnet that was trained, before weighting, shape (subnets,).
    """
    phase, weight, task = step_loss.phase, step_loss.others_weight, step_loss.task
    soft_targets = _compute_logits(step_loss.teacher, batch.inputs) if phase.loss == "teacher" else None
    losses = []
    for number, candidate in enumerate(candidates if weight else candidates[:1]):
        drop = _create_dropout(supernet.space, candidate.architecture, phase.dropout, step_loss.generator)
        # losses are computed in single precision whatever the arithmetic of the network
        logits = supernet(batch.inputs, candidate.architecture, candidate.policy, drop).float()
        if phase.loss == "in_place" and number > 0 and soft_targets is not None:
            loss = distill(task, phase.divergence, logits, soft_targets)
        else:
            loss = task.compute_mixed_loss(logits, batch.labels, batch.mixture, step_loss.label_smoothing)
            if phase.loss == "teacher" and soft_targets is not None:
                loss = loss + distill(task, phase.divergence, logits, soft_targets)
        # one backward pass for each subnet: the activations of only one are kept at a time
        (loss * weight if number else loss).backward()
        if phase.loss == "in_place" and number == 0:
            soft_targets = logits.detach()
        losses.append(loss.detach())
    return torch.stack(losses)


def compute_mean_width(space: SearchSpace, architecture: Architecture, largest: Architecture) -> float:
    """Mean over the layers of a subnet of its channels over those of the largest network, in (0, 1].

    Args:
        space: The space of both architectures.
        architecture: The architecture of the subnet.
        largest: The architecture of the largest network.
    """
    full = {layer.name: layer.out_channels for layer in space.layers(largest)}
    shares = [layer.out_channels / full[layer.name] for layer in space.layers(architecture)]
    return sum(shares) / len(shares)


@torch.no_grad()
def _compute_logits(teacher: nn.Module | None, inputs: Tensor) -> Tensor:
    """Logits of the teacher in single precision, shape (batch, classes)."""
    assert teacher is not None
    logits: Tensor = teacher(inputs)
    return logits.float()


def _create_dropout(
    space: SearchSpace, architecture: Architecture, most: float, generator: torch.Generator | None
) -> Callable[[Tensor], Tensor] | None:
    """Dropout at a rate in proportion to the mean width of the subnet, as in TODM; None where `most` is 0."""
    if most == 0:
        return None
    rate = most * compute_mean_width(space, architecture, space.largest())
    return partial(_drop, rate=rate, generator=generator)


def _drop(features: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Sets a random share of the features to 0, and scales the others so that their mean stays."""
    # drawn on the CPU, where the generator is, so that every device drops the same
    kept = torch.rand(features.shape, generator=generator).to(features.device) >= rate
    return features * kept / (1 - rate)
