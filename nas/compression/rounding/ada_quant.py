"""AdaQuant: the weight moves freely, and its steps with it, by gradients that pass through the rounding."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nas.compression.rounding.rounding import RoundedWeight, Rounding, RoundingProblem, keep_better


@dataclass(frozen=True)
class AdaQuant(Rounding):
    """Straight-through descent on weight and steps (Hubara et al., "AdaQuant", ICML 2021), on second-order statistics.

    The bias is not learnt, for its best value is known. Codes may move by more than one. The best iterate of each
    output channel is kept, of which the first are the nearest codes.

    Attributes:
        iterations: Number of steps of Adam.
        learning_rate: Of the weight, in units of its steps.
        step_rate: Of the logarithm of the steps.

    Raises:
        ValueError: If there are no iterations.
    """

    iterations: int = 300
    learning_rate: float = 0.02
    step_rate: float = 0.001

    def __post_init__(self) -> None:
        if not self.iterations >= 1:
            raise ValueError(f"learnt rounding needs one or more iterations, got {self.iterations}")

    @torch.enable_grad()
    def round(self, problem: RoundingProblem) -> RoundedWeight:
        """The best codes and steps that were met."""
        first = problem.choose_steps()
        best = RoundedWeight(problem.nearest(first), first)
        scale = problem.error(best.weight).clamp_min(torch.finfo(first.dtype).tiny)
        scaled = (problem.weight / problem.spread(first)).requires_grad_()
        growth = torch.zeros_like(first, requires_grad=True)
        groups = [{"params": [scaled], "lr": self.learning_rate}, {"params": [growth], "lr": self.step_rate}]
        adam = torch.optim.Adam(groups)
        for _ in range(self.iterations):
            clipped = scaled.clamp(-problem.largest, problem.largest)
            codes = problem.mask(clipped + (clipped.round() - clipped).detach())
            steps = first * growth.exp()
            loss = (problem.error(codes * problem.spread(steps)) / scale).sum()
            adam.zero_grad()
            loss.backward()
            best = keep_better(problem, best, RoundedWeight(codes.detach().round(), steps.detach()))
            adam.step()
        return best
