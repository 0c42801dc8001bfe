"""The weight of least error that is not rounded, with zeros where they are to be: linear least squares."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.compression.rounding.rounding import RoundingProblem

_STEPS = 50  # of conjugate gradients; each step is one product with the Gram matrix
_LEAST_DECREASE = 1e-6  # of the squared residual, below which a channel is solved


def fit_weight(problem: RoundingProblem) -> Tensor:
    """The best weight of a problem that is 0 where nothing else may be, shape (groups, out, in).

    Each output channel has its own zeros, and so a linear system of its own; conjugate gradients solve all at once.

    Args:
        problem: What is fitted; its bits do not matter.
    """
    if problem.kept is None:
        return problem.weight
    weight = problem.mask(problem.weight)
    residual = problem.mask((problem.weight - weight) @ problem.gram)
    direction, power = residual, residual.square().sum(2, keepdim=True)
    enough = power * _LEAST_DECREASE
    for _ in range(_STEPS):
        if bool((power <= enough).all()):
            break
        image = problem.mask(direction @ problem.gram)
        # of a channel that is solved, both are 0
        length = torch.nan_to_num(power / (direction * image).sum(2, keepdim=True), 0.0, 0.0, 0.0)
        weight = weight + length * direction
        residual = residual - length * image
        before, power = power, residual.square().sum(2, keepdim=True)
        direction = residual + torch.nan_to_num(power / before, 0.0, 0.0, 0.0) * direction
    return weight
