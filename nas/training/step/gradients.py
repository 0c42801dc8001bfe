"""One training step: which subnets it trains, what each learns from, and the gradients that it leaves.

In: a supernet, a batch and the rules of a phase. Out: gradients on the shared weights. Knows no optimiser and no file.
Sources: Cai et al., "Once-for-All", ICLR 2020 (frozen teacher); Yu et al., "BigNAS", ECCV 2020, section 3.1 (sandwich
rule, in-place distillation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.training.schedules.phase import Phase
from nas.training.step.distillation import DIVERGENCES
from search_spaces.candidate import Architecture, Candidate
from search_spaces.elastic.supernet import Supernet
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class Batch:
    """What all subnets of a step see.

    Attributes:
        inputs: Shape (batch, channels, resolution, resolution).
        labels: Shape (batch,).
    """

    inputs: Tensor
    labels: Tensor


def at_one_resolution(domain: Subspace, rng: np.random.Generator) -> Subspace:
    """The domain at a resolution drawn from it."""
    for gene, described in enumerate(domain.space.genes):
        if described.dimension == "resolution":
            return domain.restrict(gene, (int(rng.choice(domain.open[gene])),))
    return domain


def draw(domain: Subspace, phase: Phase, rng: np.random.Generator) -> list[Candidate]:
    """The subnets of one step, all at one resolution."""
    fixed = at_one_resolution(domain, rng)
    sampled = fixed.sample(rng, phase.subnets.count("random"))
    random = iter(range(len(sampled)))
    corners = {"largest": fixed.largest, "smallest": fixed.smallest}
    return [corners[role]() if role in corners else sampled[next(random)] for role in phase.subnets]


def accumulate_gradients(
    supernet: Supernet,
    candidates: Sequence[Candidate],
    batch: Batch,
    phase: Phase,
    others_weight: float = 1.0,
    label_smoothing: float = 0.0,
    teacher: nn.Module | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Adds the gradients of one step to the parameters of the supernet.

    Args:
        supernet: The supernet, in training mode.
        candidates: The subnets; the first one teaches the others where the phase distils in place.
        batch: The images.
        phase: Says what each subnet learns from.
        others_weight: Weight of the loss of all but the first; 0 leaves them out.
        label_smoothing: Of the label losses.
        teacher: The frozen largest network, where the phase has one.
        generator: Source of dropout.

    Returns:
        The loss of each subnet that was trained, before weighting, shape (subnets,).
    """
    soft_targets = _teacher_logits(teacher, batch.inputs) if phase.loss == "teacher" else None
    losses = []
    for number, candidate in enumerate(candidates if others_weight else candidates[:1]):
        drop = _dropout(supernet.space, candidate.architecture, phase.dropout, generator)
        logits = supernet(batch.inputs, candidate.architecture, candidate.policy, drop).float()
        if phase.loss == "in_place" and number > 0 and soft_targets is not None:
            loss = DIVERGENCES[phase.divergence](logits, soft_targets)
        else:
            loss = F.cross_entropy(logits, batch.labels, label_smoothing=label_smoothing)
            if phase.loss == "teacher" and soft_targets is not None:
                loss = loss + DIVERGENCES[phase.divergence](logits, soft_targets)
        (loss * others_weight if number else loss).backward()
        if phase.loss == "in_place" and number == 0:
            soft_targets = logits.detach()
        losses.append(loss.detach())
    return torch.stack(losses)


def mean_width(space: SearchSpace, architecture: Architecture, largest: Architecture) -> float:
    """Mean over the layers of a subnet of its channels over those of the largest network."""
    full = {layer.name: layer.out_channels for layer in space.layers(largest)}
    shares = [layer.out_channels / full[layer.name] for layer in space.layers(architecture)]
    return sum(shares) / len(shares)


@torch.no_grad()
def _teacher_logits(teacher: nn.Module | None, inputs: Tensor) -> Tensor:
    assert teacher is not None
    logits: Tensor = teacher(inputs)
    return logits.float()


def _dropout(
    space: SearchSpace, architecture: Architecture, most: float, generator: torch.Generator | None
) -> Callable[[Tensor], Tensor] | None:
    """Dropout that shrinks with the width of a subnet."""
    if most == 0:
        return None
    rate = most * mean_width(space, architecture, space.largest())
    return partial(_dropped, rate=rate, generator=generator)


def _dropped(features: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    kept = torch.rand(features.shape, generator=generator).to(features.device) >= rate
    return features * kept / (1 - rate)
