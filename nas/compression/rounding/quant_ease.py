"""QuantEase: coordinate descent over codes, here together with the steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.rounding.gptq import Gptq
from nas.compression.rounding.rounding import BLOCK, RoundedWeight, Rounding, RoundingProblem, refit_steps


@dataclass(frozen=True)
class QuantEase(Rounding):
    """Sets one code after the other to its optimum given all others (Behdad et al., "QuantEase", 2023, section 3).

    It starts from the codes of GPTQ, and after some sweeps over all codes fits the steps anew, which the paper leaves
    as they are. The error falls with every part of this, so no guard is needed.

    Attributes:
        rounds: Number of times that sweeps are followed by a fit of the steps.
        sweeps: Number of sweeps of a round; a round ends before them if no code changes.

    Raises:
        ValueError: If there are no rounds or no sweeps.
    """

    rounds: int = 3
    sweeps: int = 2

    def __post_init__(self) -> None:
        if not (self.rounds >= 1 and self.sweeps >= 1):
            raise ValueError(f"coordinate descent needs one or more rounds and sweeps, got {self}")

    def round(self, problem: RoundingProblem) -> RoundedWeight:
        """The codes and steps after all rounds, and a last sweep."""
        rounded = Gptq().round(problem)
        for _ in range(self.rounds):
            rounded = refit_steps(problem, descend(problem, rounded, self.sweeps))
        return descend(problem, rounded, 1)


def descend(problem: RoundingProblem, rounded: RoundedWeight, sweeps: int) -> RoundedWeight:
    """Coordinate descent over the codes with fixed steps, for all output channels at once.

    Args:
        problem: What is rounded.
        rounded: Where to start.
        sweeps: The largest number of sweeps.
    """
    found, steps = rounded.weight, rounded.steps
    codes = rounded.codes.clone()
    residual = (problem.weight - found) @ problem.gram  # half of the negative gradient, shape (groups, out, in)
    power = problem.gram.diagonal(dim1=1, dim2=2)
    for _ in range(sweeps):
        if not _sweep(problem, codes, steps, residual, power):
            break
    return RoundedWeight(codes, steps)


def _sweep(problem: RoundingProblem, codes: Tensor, steps: Tensor, residual: Tensor, power: Tensor) -> bool:
    """Sets every code once, in place of `codes` and `residual`; whether one changed.

    While a block of columns is set, only its own part of the residual is kept up to date.
    """
    changed = False
    kept = None if problem.kept is None else problem.kept.mT
    columns = problem.spread(steps).expand_as(codes).mT
    for start in range(0, codes.shape[2], BLOCK):
        end = start + BLOCK
        own, block = (_copy_transposed(part[..., start:end]) for part in (residual, codes))
        widths = columns[:, start:end]
        scale = power[:, start:end, None] * widths
        moves = torch.zeros_like(own)  # of the weight
        # views of all columns at once: to index them one by one takes longer than to compute
        parts = zip(*(part.unbind(1) for part in (block, own, scale, moves, widths)), strict=True)
        for column, (code, due, unit, move, width) in enumerate(parts):
            change = (code + due / unit).round_().clamp_(-problem.largest, problem.largest).sub_(code)
            if kept is not None:
                change *= kept[:, start + column]
            if change.any():
                code += change
                move.copy_(change.mul_(width))
                row = problem.gram[:, start + column, start + column + 1 : end, None]
                own[:, column + 1 :].addcmul_(row, move[:, None], value=-1)
        if moves.any():
            changed = True
            codes[..., start:end] = block.mT
            residual -= moves.mT @ problem.gram[:, start:end]
    return changed


def _copy_transposed(columns: Tensor) -> Tensor:
    """A copy of some columns, shape (groups, columns, out), so that each lies in one piece."""
    return columns.mT.clone(memory_format=torch.contiguous_format)
