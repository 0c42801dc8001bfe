"""Sparsity as a part of a policy: which share of a weight is zero, and what the rest takes to be stored.

Which weights are zero is decided where the network is compressed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.quoting import quote

LEAST_SHARE, LARGEST_SHARE = 0.01, 0.99
_LARGEST_GROUP = 32  # inputs of a group; hardware knows 4 and 8, publications 16 and 32
_MOST_DECIMALS = 18  # of a share: `repr` writes up to 17 digits of a float, and of one below 0.1 a zero before them
_MASK_BITS = 1  # of a weight in a bitmap, which says whether it is stored


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a policy that is one share, from 0.01 to 0.99, and is written as that number."""

    what: ClassVar[str]  # what it is a share of, for messages

    share: float

    def __post_init__(self) -> None:
        check_share(self.what, self.share)

    def __str__(self) -> str:
        return repr(float(self.share))  # a share of numpy is written as one of Python


@dataclass(frozen=True, slots=True)
class UnstructuredSparsity(Share):
    """A share of the weights of a layer is zero, wherever they are.

    Attributes:
        share: Share of zeros, from 0.01 to 0.99.

    Raises:
        ValueError: If the share is outside.
    """

    what = "a share of zeros"

    @property
    def kept_share(self) -> float:
        """Share of the weights that are not zero."""
        return 1 - self.share

    def count_kept(self, weights: int) -> int:
        """Number of weights that are stored of so many."""
        return weights - int(weights * self.share)


@dataclass(frozen=True, slots=True)
class GroupedSparsity:
    """n:m sparsity: of m consecutive inputs of an output, n have a weight that is not zero (Zhou et al., ICLR 2021).

    Attributes:
        kept: Weights that are kept of each group, n.
        group: Consecutive input channels of a group, m: at most 32. Each place of a kernel has groups of its own.

    Raises:
        ValueError: Unless 1 <= kept < group <= 32.
    """

    kept: int
    group: int

    def __post_init__(self) -> None:
        if not 1 <= self.kept < self.group <= _LARGEST_GROUP:
            raise ValueError(
                f"n:m sparsity keeps n of m weights, 1 <= n < m <= {_LARGEST_GROUP}, got {self.kept}:{self.group}"
            )

    def __str__(self) -> str:
        return f"{self.kept}:{self.group}"

    @property
    def kept_share(self) -> float:
        """Share of the weights that are not zero."""
        return self.kept / self.group

    def count_kept(self, weights: int) -> int:
        """Number of weights that are stored of so many, which are whole groups."""
        return weights * self.kept // self.group


Sparsity = UnstructuredSparsity | GroupedSparsity


def parse_sparsity(text: str) -> Sparsity:
    """Reads what `str` wrote: `0.5` or `2:4`.

    Raises:
        ValueError: If the text is neither, or the numbers are not within their bounds.
    """
    if match := re.fullmatch(r"(\d{1,4}):(\d{1,4})", text, re.ASCII):
        return GroupedSparsity(int(match[1]), int(match[2]))
    return UnstructuredSparsity(parse_share(text))


def parse_share(text: str) -> float:
    """Reads a share such as `0.5`.

    Raises:
        ValueError: If the text is no decimal number below 1.
    """
    if not re.fullmatch(rf"0\.\d{{1,{_MOST_DECIMALS}}}", text, re.ASCII):
        raise ValueError(f"a share is written like 0.5, got {quote(text)}")
    return float(text)


def check_share(name: str, share: float) -> None:
    """Refuses a share that is not from 0.01 to 0.99, within which `repr` writes plain decimal numbers.

    Args:
        name: What it is a share of, in words.
        share: The share.

    Raises:
        ValueError: If it is outside.
    """
    if not LEAST_SHARE <= share <= LARGEST_SHARE:
        raise ValueError(f"{name} must be from {LEAST_SHARE} to {LARGEST_SHARE}, got {share}")


def count_stored_bits(weights: int, bits: int, sparsity: Sparsity | None) -> int:
    """Bits that the weights of a layer take, without scales.

    Sparse weights are stored as a bitmap, with one bit for each weight, and the codes of those that are kept: for 2:4
    sparsity as many bits as the indices of hardware take. Where the bitmap costs more than the zeros save, the zeros
    are stored as codes.

    Args:
        weights: Number of weights.
        bits: Bits of a weight.
        sparsity: Which of them are zero; None if none have to be.
    """
    if sparsity is None:
        return weights * bits
    return min(weights * bits, weights * _MASK_BITS + sparsity.count_kept(weights) * bits)


def check_sparsity(operator: Operator, sparsity: Sparsity) -> None:
    """Refuses an operator whose weight cannot be sparse in that way.

    Args:
        operator: An operator with a weight.
        sparsity: Which of its weights are to be zero.

    Raises:
        ValueError: If it is neither a linear layer nor a convolution, or has a number of inputs that is no multiple of
            the group of n:m sparsity.
    """
    if not isinstance(operator, Linear | Convolution):
        raise ValueError(f"sparsity is for linear layers and convolutions, got {operator.name}")
    inputs = operator.weight_shape[1]
    if isinstance(sparsity, GroupedSparsity) and inputs % sparsity.group:
        raise ValueError(f"{sparsity} sparsity needs a multiple of {sparsity.group} input channels, got {inputs}")
