"""AdaRound: whether each weight is rounded up or down is learnt by gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.rounding.rounding import RoundedWeight, Rounding, RoundingProblem, keep_better

_LOW, _HIGH = -0.1, 1.1  # the ends of the stretched sigmoid, so that 0 and 1 are reached exactly


@dataclass(frozen=True)
class AdaRound(Rounding):
    """Learnt rounding (Nagel et al., "Up or Down?", ICML 2020, equations 21 to 24), on second-order statistics.

    The paper draws batches of inputs; the loss is quadratic, so their Gram matrix gives its exact value at the price of
    one product. An output channel for which the nearest codes turn out better keeps those.

    Attributes:
        iterations: Number of steps of Adam.
        learning_rate: Of Adam.
        strength: Weight of the penalty that drives the choices to up or down, relative to the error of the nearest
            codes per weight.
        warm_up: Share of the iterations without the penalty.

    Raises:
        ValueError: If there are no iterations.
    """

    iterations: int = 300
    learning_rate: float = 0.05
    strength: float = 1.0
    warm_up: float = 0.2

    def __post_init__(self) -> None:
        if not self.iterations >= 1:
            raise ValueError(f"learnt rounding needs one or more iterations, got {self.iterations}")

    @torch.enable_grad()
    def round(self, problem: RoundingProblem) -> RoundedWeight:
        """Codes in the steps of `RoundingProblem.choose_steps`, each next to the weight."""
        steps = problem.choose_steps()
        scaled = problem.weight / problem.spread(steps)
        floor, nearest = scaled.floor(), RoundedWeight(problem.nearest(steps), steps)
        share = ((scaled - floor - _LOW) / (_HIGH - _LOW)).clamp(1e-4, 1 - 1e-4)
        choice = share.logit().requires_grad_()
        scale = problem.error(nearest.weight).clamp_min(torch.finfo(scaled.dtype).tiny)[..., None]
        adam = torch.optim.Adam([choice], self.learning_rate)
        begin = int(self.warm_up * self.iterations)
        for iteration in range(self.iterations):
            up = _stretched(choice)
            codes = problem.mask((floor + up).clamp(-problem.largest, problem.largest))
            loss = (problem.error(codes * problem.spread(steps))[..., None] / scale).sum()
            if iteration >= begin:
                left = (self.iterations - iteration) / (self.iterations - begin)
                sharpness = 2 + 18 * (1 + math.cos(math.pi * (1 - left))) / 2  # from 20 to 2, as in the paper
                penalty = (1 - (2 * up - 1).abs().pow(sharpness)).mean(2).sum()
                loss = loss + self.strength * penalty
            adam.zero_grad()
            loss.backward()
            adam.step()
        codes = problem.mask((floor + (choice.detach() > 0)).clamp(-problem.largest, problem.largest))
        return keep_better(problem, nearest, RoundedWeight(codes, steps))


def _stretched(choice: Tensor) -> Tensor:
    """The rectified sigmoid, from 0 for down to 1 for up; a choice of 0 gives one half."""
    return (choice.sigmoid() * (_HIGH - _LOW) + _LOW).clamp(0, 1)
