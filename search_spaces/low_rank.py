"""Low rank as a part of a policy: two layers in a row run in place of a layer, or beside it.

In place of it, their product approximates its weight; beside it, what rounding took from the weight.

Which factors these are is decided where the network is compressed; here stands what they look like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.sparsity import LARGEST_SHARE, LEAST_SHARE, Share

CORRECTION_BITS = 8  # of the weights of both factors of a correction


@dataclass(frozen=True, slots=True)
class LowRank(Share):
    """The rank of a layer, in units of the rank at which its two factors have as many weights as itself.

    A weight of m outputs and n inputs and kernel places has factors of r (m + n) weights, so they save nothing from the
    rank r = m n / (m + n) on. Hence the share bounds the share of weights, and of multiplications, that are left.

    Attributes:
        share: Rank over that rank, from 0.01 to 0.99. The rank is rounded down.

    Raises:
        ValueError: If the share is outside.
    """

    what = "a share of the rank at which nothing is saved"


@dataclass(frozen=True, slots=True)
class LowRankCorrection(Share):
    """The rank of what is added to a rounded weight to make up for its rounding (low-rank error correction).

    Two factors run beside the rounded layer, and their output is added to its own. Both have weights of
    `CORRECTION_BITS` bits, so a share s of the rank at which they have as many weights as the layer adds at most
    s `CORRECTION_BITS` bits to each weight of the layer.

    Source: Chai et al., "INT2.1", 2023, section 3; factors of 8 bits, where theirs are of 16.

    Attributes:
        share: Rank over that rank, from 0.01 to 0.99, as that of `LowRank`. The rank is rounded down.

    Raises:
        ValueError: If the share is outside.
    """

    what = "the rank of a correction, as a share of the one at which it is as large as the layer,"


def is_factorable(operator: Operator) -> bool:
    """Whether an operator can be split into two: a linear layer, or a convolution of one group, not transposed."""
    if isinstance(operator, Convolution):
        return operator.groups == 1 and not operator.transposed
    return isinstance(operator, Linear)


def find_rank(operator: Operator, low_rank: LowRank | LowRankCorrection) -> int:
    """The rank of the two operators that run in place of one, or beside it.

    Args:
        operator: An operator with a weight.
        low_rank: The rank as a share.

    Raises:
        ValueError: If it is neither a linear layer nor a convolution of one group that is not transposed, or is so
            small that the rank would be 0.
    """
    what = "low rank" if isinstance(low_rank, LowRank) else "a correction"
    if not is_factorable(operator):
        kind = "a convolution that is grouped or transposed" if isinstance(operator, Convolution) else operator.name
        raise ValueError(f"{what} is for linear layers and convolutions of one group, got {kind}")
    outputs, *places = operator.weight_shape or ()
    inputs = prod(places)

    def round_down(share: float) -> int:
        return int(share * outputs * inputs / (outputs + inputs))

    if not (rank := round_down(low_rank.share)) >= 1:
        hundredths = range(round(100 * LEAST_SHARE), round(100 * LARGEST_SHARE) + 1)
        least = next((number / 100 for number in hundredths if round_down(number / 100) >= 1), None)
        way = f"take {least} or more" if least is not None else "no share of so small a layer is, so take none"
        raise ValueError(
            f"{what} must be of rank 1 or more, got {low_rank.share} of the rank at which factors have as many weights "
            f"as {outputs} outputs of {inputs} inputs, {outputs * inputs / (outputs + inputs):.2f}; {way}"
        )
    return rank


def factorize_operator(operator: Operator, low_rank: LowRank | LowRankCorrection) -> tuple[Operator, Operator]:
    """The two operators that run in place of one, without and with its bias; or beside it, both without.

    The first has the kernel, stride, padding and dilation, and as many outputs as the rank; the second is linear at
    every position.

    Args:
        operator: A linear layer or a convolution.
        low_rank: Its rank.

    Raises:
        ValueError: As for `find_rank`.
    """
    rank = find_rank(operator, low_rank)
    assert isinstance(operator, Convolution | Linear)
    bias = operator.bias and isinstance(low_rank, LowRank)
    if isinstance(operator, Linear):
        return replace(operator, out_features=rank, bias=False), replace(operator, in_features=rank, bias=bias)
    ones, axes = (1,) * len(operator.kernel), len(operator.kernel)
    second = Convolution(rank, operator.out_channels, ones, ones, ((0, 0),) * axes, ones, bias=bias)
    return replace(operator, out_channels=rank, bias=False), second
