"""Compression policies: how the layers of a network are compressed, as values with a text form.

Independent of what applies them: of torch, of devices and of search.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Self

from search_spaces.low_rank import LowRank, LowRankCorrection
from search_spaces.quoting import quote
from search_spaces.sparsity import GroupedSparsity, Sparsity, parse_share, parse_sparsity
from search_spaces.weight_groups import LARGEST_GROUP_SIZE, LEAST_GROUP_SIZE

FULL_PRECISION_BITS = 32
QUANTIZED_BITS = (2, 3, 4, 5, 6, 7, 8)  # the symmetric codes of a weight include -1, 0 and 1, so 2 bits are the fewest
_PARTS = ("quantization", "sparsity", "low_rank", "correction")  # of a policy, in the order in which JSON has them
_TEXT = re.compile(
    r"w(?P<weights>\d+)a(?P<activations>\d+)"
    r"(?:-g(?P<size>\d{1,5}))?"
    r"(?:-rank(?P<rank>[\d.]+))?"
    r"(?:-correct(?P<correction>[\d.]+))?"
    r"(?:-(?:sparse(?P<share>[\d.]+)|(?P<group>[\d:]+)))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Quantization:
    """The bit-widths of the weights and activations of one layer.

    Attributes:
        weight_bits: Bits of a weight: 32, which is floating point, or one of `QUANTIZED_BITS`.
        activation_bits: Bits of an element of the layer's input and output, from the same values.
        group_size: Consecutive input channels of an output that share a step, from 2 to 4096
            (`search_spaces.weight_groups`); None if an output has one step.

    Raises:
        ValueError: If a bit-width is neither 32 nor one of `QUANTIZED_BITS`, if both are 32, or if there is a group
            size that lies outside or is one of weights of 32 bits.
    """

    weight_bits: int
    activation_bits: int
    group_size: int | None = None

    def __post_init__(self) -> None:
        known = (*QUANTIZED_BITS, FULL_PRECISION_BITS)
        for bits in (self.weight_bits, self.activation_bits):
            if bits not in known:
                raise ValueError(f"a bit-width must be one of {known}, got {bits}")
        if self.weight_bits == self.activation_bits == FULL_PRECISION_BITS:
            raise ValueError(f"a quantisation must be of weights or activations, got {self}; None leaves both")
        if self.group_size is not None:
            if not LEAST_GROUP_SIZE <= self.group_size <= LARGEST_GROUP_SIZE:
                raise ValueError(
                    f"a group size must be from {LEAST_GROUP_SIZE} to {LARGEST_GROUP_SIZE}, got {self.group_size}"
                )
            if self.weight_bits == FULL_PRECISION_BITS:
                raise ValueError(f"groups are those of weights that are rounded, got {self}; leave out the group size")

    def __str__(self) -> str:
        group = "" if self.group_size is None else f"-g{self.group_size}"
        return f"w{self.weight_bits}a{self.activation_bits}{group}"


@dataclass(frozen=True, slots=True)
class LayerPolicy:
    """How one layer is compressed, part by part; a part that is None leaves the layer as it is.

    A new kind of compression gets a field here and a name in `to_json`, which leaves out parts that are None. So the
    policies of today will be written as they are now, and their candidates keep their keys.

    Attributes:
        quantization: Bits of weights and activations, and what shares a step.
        sparsity: Which share of the weights is zero; of a layer of low rank, of both factors.
        low_rank: The rank of the weight, whose factors are quantised each.
        correction: The rank of what is added to a rounded weight to make up for its rounding; None adds nothing.

    Raises:
        ValueError: If there is a correction, but weights are of 32 bits, of low rank or sparse.
    """

    quantization: Quantization | None = None
    sparsity: Sparsity | None = None
    low_rank: LowRank | None = None
    correction: LowRankCorrection | None = None

    def __post_init__(self) -> None:
        if self.correction is None:
            return
        if self.weight_bits == FULL_PRECISION_BITS or self.low_rank is not None or self.sparsity is not None:
            raise ValueError(
                f"a correction makes up for rounding alone, so its layer has weights of fewer than 32 bits, and "
                f"neither rank nor zeros; got {self}"
            )

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        """Itself: networks are copied often, and what they are made of never changes."""
        return self

    @classmethod
    def quantized(cls, weight_bits: int = 32, activation_bits: int = 32, group_size: int | None = None) -> LayerPolicy:
        """A policy of bits alone; 32 and 32 leave the layer as it is.

        Args:
            weight_bits: Bits of a weight.
            activation_bits: Bits of input and output activations.
            group_size: Input channels that share a step; None if an output has one step.

        Raises:
            ValueError: As for `Quantization`, but that both may be 32 where there is no group size.
        """
        neutral = weight_bits == activation_bits == FULL_PRECISION_BITS and group_size is None
        return cls(None if neutral else Quantization(weight_bits, activation_bits, group_size))

    @classmethod
    def parse(cls, text: str) -> LayerPolicy:
        """Reads the short form: bits such as `w4a8`, then groups such as `-g32`, a rank and zeros.

        The latter are written like `-rank0.5`, and `-sparse0.5` or `-2:4`. In their place there may be a correction of
        the rounding, such as `-correct0.1`.

        `w32a32` leaves a layer as it is, and `w32a32-rank0.5` its bits.

        Raises:
            ValueError: If the text is not like this, or a number is not within its bounds.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(
                f"a layer policy is written like w8a8 (weight and activation bits), w8a8-g32, w8a8-rank0.5, "
                f"w8a8-sparse0.5, w8a8-2:4 or w3a8-correct0.1, got {quote(text)}"
            )
        zeros, rank, size = match["share"] or match["group"], match["rank"], match["size"]
        correction = match["correction"]
        return replace(
            cls.quantized(int(match["weights"]), int(match["activations"]), None if size is None else int(size)),
            sparsity=None if zeros is None else parse_sparsity(zeros),
            low_rank=None if rank is None else LowRank(parse_share(rank)),
            correction=None if correction is None else LowRankCorrection(parse_share(correction)),
        )

    def __str__(self) -> str:
        rank = "" if self.low_rank is None else f"-rank{self.low_rank}"
        prefix = "" if isinstance(self.sparsity, GroupedSparsity) else "sparse"
        zeros = "" if self.sparsity is None else f"-{prefix}{self.sparsity}"
        group = "" if self.group_size is None else f"-g{self.group_size}"
        correction = "" if self.correction is None else f"-correct{self.correction}"
        return f"w{self.weight_bits}a{self.activation_bits}{group}{rank}{correction}{zeros}"

    @property
    def weight_bits(self) -> int:
        """Bits of a weight; 32 where weights are not quantised."""
        return self.quantization.weight_bits if self.quantization else FULL_PRECISION_BITS

    @property
    def activation_bits(self) -> int:
        """Bits of input and output activations; 32 where they are not quantised."""
        return self.quantization.activation_bits if self.quantization else FULL_PRECISION_BITS

    @property
    def group_size(self) -> int | None:
        """Input channels that share a step; None where an output has one step, or weights are not quantised."""
        return self.quantization.group_size if self.quantization else None

    @property
    def is_of_bits_alone(self) -> bool:
        """Whether every layer can take the policy, also one of a supernet: it says nothing but bits."""
        return self.has_no_factors and self.sparsity is None and self.group_size is None

    @property
    def has_no_factors(self) -> bool:
        """Whether one layer runs in place of the layer: it is not of low rank, and nothing of low rank is added."""
        return self.low_rank is None and self.correction is None

    def to_json(self) -> dict[str, Any]:
        """The parts that are not None, as texts by name."""
        return {name: str(part) for name in _PARTS if (part := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, parts: dict[str, Any]) -> LayerPolicy:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: If a part is unknown or no text, or its text is not one that `to_json` writes.
        """
        if not parts:
            return cls()
        unknown = parts.keys() - {*_PARTS}
        if unknown:
            raise ValueError(f"a layer policy has the parts {', '.join(_PARTS)}, got {', '.join(sorted(unknown))}")
        if other := [name for name, part in parts.items() if not isinstance(part, str)]:
            raise ValueError(
                f"a part of a policy is a text, got {quote(parts[other[0]])} as {other[0]}, which is none; "
                'write it like "w8a8" or "0.5", or leave it out'
            )
        sparsity, low_rank, correction = (parts.get(name) for name in _PARTS[1:])
        policy = cls(
            _parse_quantization(parts["quantization"]) if "quantization" in parts else None,
            None if sparsity is None else parse_sparsity(sparsity),
            None if low_rank is None else LowRank(parse_share(low_rank)),
            None if correction is None else LowRankCorrection(parse_share(correction)),
        )
        if policy.to_json() != parts:
            raise ValueError(f"a part of a policy is written like {policy.to_json()}, got {parts}")
        return policy


def _parse_quantization(text: str) -> Quantization:
    """Reads what `str` of a quantisation wrote."""
    policy = LayerPolicy.parse(text)
    if policy.quantization is None:
        raise ValueError(f"a part of a policy that leaves the layer as it is must be left out, got {text!r}")
    return policy.quantization


@dataclass(frozen=True, slots=True)
class CompressionPolicy:
    """How a network is compressed: one policy per layer.

    Attributes:
        layers: The policies of the layers, in execution order.
    """

    layers: tuple[LayerPolicy, ...]
