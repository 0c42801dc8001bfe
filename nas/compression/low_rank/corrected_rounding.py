"""Rounding of a weight together with two factors whose product makes up for it, by the outputs of the layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nas.compression.low_rank.factorization import split_weight
from nas.compression.rounding.rounding import RoundedWeight, Rounding, RoundingProblem
from search_spaces.low_rank import CORRECTION_BITS

_MOST_ROUNDS = 3  # of rounding anew what the factors leave; each takes as long as a rounding, and gains less
_LEAST_POWER = 1e-8  # of damping, so that the Gram matrix of factors that are all 0 can be inverted
_DAMPING = 1e-4  # share of the mean power of the activation between the factors


@dataclass(frozen=True, eq=False)
class CorrectedWeight:
    """A weight on a grid, and two factors on grids of their own, whose product is added to it.

    Attributes:
        rounded: The weight, shape (1, out, in).
        first: The first factor, shape (1, rank, in).
        second: The second factor, shape (1, out, rank).
    """

    rounded: RoundedWeight
    first: RoundedWeight
    second: RoundedWeight

    @property
    def weight(self) -> Tensor:
        """The weight that all three stand for, shape (1, out, in)."""
        return self.rounded.weight + self.product

    @property
    def product(self) -> Tensor:
        """The product of the factors, shape (1, out, in)."""
        return self.second.weight @ self.first.weight


def round_with_correction(problem: RoundingProblem, rounding: Rounding, rank: int) -> CorrectedWeight:
    """Rounds a weight and both factors of the correction of a rank.

    The factors are those of the error of the outputs: of all products of that rank, theirs leaves the least. Then the
    weight is rounded anew, less that product, and so on until the error does not fall any more: LQ-LoRA (Guo et al.,
    ICLR 2024, algorithm 1) with the second-order statistics of the inputs in place of weights by Fisher information.

    Args:
        problem: The weight, of one group and without zeros that are to stay.
        rounding: How all three are rounded.
        rank: Rank of the correction.
    """
    found = _correct(problem, rounding.round(problem), rounding, rank)
    error = problem.error(found.weight).sum()
    for _ in range(_MOST_ROUNDS):
        left = replace(problem, weight=problem.weight - found.product)
        other = _correct(problem, rounding.round(left), rounding, rank)
        after = problem.error(other.weight).sum()
        if not after < error:
            break
        found, error = other, after
    return found


def _correct(problem: RoundingProblem, rounded: RoundedWeight, rounding: Rounding, rank: int) -> CorrectedWeight:
    """The factors of what a rounded weight lacks; the second makes up for the rounding of the first."""
    lost, gram = (problem.weight - rounded.weight)[0], problem.gram[0]
    outputs = (lost @ gram @ lost.T).double()
    _, directions = torch.linalg.eigh(outputs)  # by rising power of the error along them
    parts = split_weight(lost, directions.flip(1), rank)
    first = rounding.round(RoundingProblem(parts[0][None], problem.gram, CORRECTION_BITS))
    read = first.weight[0] @ gram
    power = read @ first.weight[0].T
    damping = (_DAMPING * power.diagonal().mean()).clamp_min(_LEAST_POWER) * torch.eye(rank)
    power = power + damping
    best = torch.linalg.solve(power, lost @ read.T + parts[1] @ damping, left=False)
    second = rounding.round(RoundingProblem(best[None], power[None], CORRECTION_BITS))
    return CorrectedWeight(rounded, first, second)
