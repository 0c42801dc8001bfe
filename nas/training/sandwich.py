"""The sandwich rule with in-place distillation: one training step for all subnets at once.

In: a supernet and a batch. Out: gradients on its shared weights. Knows no optimiser, schedule or file.
Source: Yu et al., "BigNAS", ECCV 2020, section 3.1; Wang et al., "AttentiveNAS", CVPR 2021 (METHODS 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from search_spaces.candidate import Architecture
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace


def sandwich(space: JointSpace, resolution: int, random_subnets: int, rng: np.random.Generator) -> list[Architecture]:
    """The subnets of one step, all at one resolution: the largest, the smallest, then random ones."""
    sampled = space.sample(rng, random_subnets)
    chosen = [space.largest(), space.smallest(), *(sampled[i] for i in range(random_subnets))]
    return [replace(candidate.architecture, resolution=resolution) for candidate in chosen]


def accumulate_gradients(
    supernet: Supernet, architectures: Sequence[Architecture], inputs: Tensor, labels: Tensor, label_smoothing: float
) -> float:
    """Adds the gradients of one step to the parameters of the supernet.

    The first architecture learns from the labels, the others from its detached logits in the same step.

    Args:
        supernet: The supernet, in training mode.
        architectures: The largest subnet first.
        inputs: Shape (batch, channels, resolution, resolution).
        labels: Shape (batch,).
        label_smoothing: Applied to the loss of the first architecture.

    Returns:
        The label loss of the first architecture.
    """
    teacher, *students = architectures
    logits = supernet(inputs, teacher)
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    loss.backward()
    targets = logits.detach().softmax(1)
    for student in students:
        F.cross_entropy(supernet(inputs, student), targets).backward()
    return loss.item()
