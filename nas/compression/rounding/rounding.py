"""The contract of roundings, and the problem that they solve: least squares on a grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.elastic.weight_steps import SMALLEST_STEP

BLOCK = 128  # columns that are rounded before one matrix product brings the rest up to date; they fit into a cache
_SHARES = torch.linspace(1.0, 0.2, 41).tolist()  # of the largest weight, at which a grid may end


@dataclass(frozen=True, eq=False)
class RoundingProblem:
    """The weight of a layer, and how much its output changes with the weight.

    A layer with `groups` groups of channels is that many problems of one shape, which are solved together.

    Attributes:
        weight: The weight that would be right if it had not to be rounded, shape (groups, out, in): an output channel
            reads the `in` values of its group and of its kernel.
        gram: Mean of x xᵀ over the inputs x of each group, shape (groups, in, in), positive definite.
        bits: Bits of a code.
        kept: Which weights may be other than 0, bool, in the shape of the weight; None if all may.
        blocks: Number of steps of an output channel, each of which serves as many consecutive inputs.
    """

    weight: Tensor
    gram: Tensor
    bits: int
    kept: Tensor | None = None
    blocks: int = 1

    @property
    def largest(self) -> int:
        """The largest code; the smallest is its negative."""
        limit: int = 2 ** (self.bits - 1) - 1
        return limit

    def error(self, rounded: Tensor) -> Tensor:
        """Mean squared error of each output channel, shape (groups, out).

        Args:
            rounded: A weight, shape (groups, out, in).
        """
        difference = rounded - self.weight
        return ((difference @ self.gram) * difference).sum(2)

    def nearest(self, steps: Tensor) -> Tensor:
        """The nearest codes, shape (groups, out, in).

        Args:
            steps: The steps of each output channel, shape (groups, out, blocks).
        """
        return self.mask((self.weight / self.spread(steps)).round_().clamp_(-self.largest, self.largest))

    def spread(self, steps: Tensor) -> Tensor:
        """The step of every weight, in a shape that broadcasts over the weight: (groups, out, in or 1).

        Args:
            steps: Shape (groups, out, blocks).
        """
        return spread_steps(steps, self.weight.shape[2])

    def mask(self, codes: Tensor) -> Tensor:
        """The same codes or weights, but 0 where nothing else may be, shape (groups, out, in).

        Args:
            codes: Shape (groups, out, in).
        """
        return codes if self.kept is None else codes * self.kept

    def choose_steps(self) -> Tensor:
        """Steps that are best for the nearest codes if inputs are uncorrelated, shape (groups, out, blocks).

        As `quantizers.mse`, with the error of a weight weighed by the mean square of its input.
        """
        power = self.gram.diagonal(dim1=1, dim2=2)[:, None]
        magnitudes = self.mask(self.weight).abs().unflatten(2, (self.blocks, -1))
        reference = (magnitudes.amax(3) / self.largest).clamp_min(SMALLEST_STEP)
        best, least = reference, torch.full_like(reference, torch.inf)
        for share in _SHARES:
            steps = reference * share
            error = self.nearest(steps).mul_(self.spread(steps)).sub_(self.weight).square_() * power
            error = error.unflatten(2, (self.blocks, -1)).sum(3)
            best = torch.where(error < least, steps, best)
            least = torch.minimum(error, least)
        return best


@dataclass(frozen=True, eq=False)
class RoundedWeight:
    """A weight on a grid.

    Attributes:
        codes: Whole numbers in floating point, shape (groups, out, in).
        steps: The steps of each output channel, positive, shape (groups, out, blocks).
    """

    codes: Tensor
    steps: Tensor

    @property
    def weight(self) -> Tensor:
        """The rounded weight, shape (groups, out, in)."""
        return self.codes * spread_steps(self.steps, self.codes.shape[2])


def spread_steps(steps: Tensor, inputs: int) -> Tensor:
    """The step of every weight, shape (groups, out, inputs); or (groups, out, 1) where all inputs share one.

    Args:
        steps: Shape (groups, out, blocks).
        inputs: Number of inputs of an output channel, a multiple of the blocks.
    """
    blocks = steps.shape[2]
    return steps if blocks == 1 else steps.repeat_interleave(inputs // blocks, 2)


class Rounding(ABC):
    """Rounds the weight of one layer so that the output of the layer changes little.

    The contract, which tests check for all registered roundings: Codes are whole numbers from -(2^(bits-1) - 1) to
    2^(bits-1) - 1, and 0 where nothing else may be; steps are positive and finite. The error of no output channel is
    above that of the nearest codes in the steps of `RoundingProblem.choose_steps`. An output channel does not depend on
    others. The result is the same each time. Roundings are frozen dataclasses.
    """

    @abstractmethod
    def round(self, problem: RoundingProblem) -> RoundedWeight:
        """The rounded weight."""


def refit_steps(problem: RoundingProblem, rounded: RoundedWeight) -> RoundedWeight:
    """The same codes in steps of less error: each step is set to its best value given the others, in order.

    With one block, it is the step of least error. A step for which no positive value is better than none stays.

    Args:
        problem: What was rounded.
        rounded: The codes and their present steps.
    """
    steps, width = rounded.steps.clone(), problem.weight.shape[2] // problem.blocks
    aims = problem.weight - rounded.weight  # what the other blocks leave to the block at hand, once its own is added
    for block in range(problem.blocks):
        own = slice(block * width, (block + 1) * width)
        codes = rounded.codes[..., own]
        aims[..., own] += codes * steps[..., block, None]
        response = codes @ problem.gram[:, own]
        best = (response * aims).sum(2) / (response[..., own] * codes).sum(2)
        steps[..., block] = torch.where(best > SMALLEST_STEP, best, steps[..., block])
        aims[..., own] -= codes * steps[..., block, None]
    return RoundedWeight(rounded.codes, steps)


def keep_better(problem: RoundingProblem, first: RoundedWeight, second: RoundedWeight) -> RoundedWeight:
    """For each output channel the rounded weight of less error; the first one where they are equal.

    Args:
        problem: What was rounded.
        first: A rounded weight.
        second: Another one.
    """
    better = problem.error(second.weight) < problem.error(first.weight)
    codes = torch.where(better[..., None], second.codes, first.codes)
    return RoundedWeight(codes, torch.where(better[..., None], second.steps, first.steps))
