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
    """

    weight: Tensor
    gram: Tensor
    bits: int
    kept: Tensor | None = None

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
            steps: The step of each output channel, shape (groups, out).
        """
        return self.mask((self.weight / steps[..., None]).round_().clamp_(-self.largest, self.largest))

    def mask(self, codes: Tensor) -> Tensor:
        """The same codes or weights, but 0 where nothing else may be, shape (groups, out, in).

        Args:
            codes: Shape (groups, out, in).
        """
        return codes if self.kept is None else codes * self.kept

    def choose_steps(self) -> Tensor:
        """Steps that are best for the nearest codes if inputs are uncorrelated, shape (groups, out).

        As `quantizers.mse`, with the error of a weight weighed by the mean square of its input.
        """
        power = self.gram.diagonal(dim1=1, dim2=2)[:, None]
        reference = (self.mask(self.weight).abs().amax(2) / self.largest).clamp_min(SMALLEST_STEP)
        best, least = reference, torch.full_like(reference, torch.inf)
        for share in _SHARES:
            steps = reference * share
            error = (self.nearest(steps).mul_(steps[..., None]).sub_(self.weight).square_() * power).sum(2)
            best = torch.where(error < least, steps, best)
            least = torch.minimum(error, least)
        return best


@dataclass(frozen=True, eq=False)
class RoundedWeight:
    """A weight on a grid.

    Attributes:
        codes: Whole numbers in floating point, shape (groups, out, in).
        steps: The step of each output channel, positive, shape (groups, out).
    """

    codes: Tensor
    steps: Tensor

    @property
    def weight(self) -> Tensor:
        """The rounded weight, shape (groups, out, in)."""
        return self.codes * self.steps[..., None]


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
    """The same codes in the steps of least error, which is a linear problem of one unknown per output channel.

    A channel of which no positive step is better than none keeps its step.

    Args:
        problem: What was rounded.
        rounded: The codes and their present steps.
    """
    response = rounded.codes @ problem.gram
    best = (response * problem.weight).sum(2) / (response * rounded.codes).sum(2)
    return RoundedWeight(rounded.codes, torch.where(best > SMALLEST_STEP, best, rounded.steps))


def keep_better(problem: RoundingProblem, first: RoundedWeight, second: RoundedWeight) -> RoundedWeight:
    """For each output channel the rounded weight of less error; the first one where they are equal.

    Args:
        problem: What was rounded.
        first: A rounded weight.
        second: Another one.
    """
    better = problem.error(second.weight) < problem.error(first.weight)
    codes = torch.where(better[..., None], second.codes, first.codes)
    return RoundedWeight(codes, torch.where(better, second.steps, first.steps))
