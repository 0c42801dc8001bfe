"""Candidates: what a person, a database or a network sees of a point of the search.

In: plain values. Out: frozen, hashable `Architecture`, `CompressionPolicy` and `Candidate` with JSON both ways.
Knows no genes and no family. Only active blocks are listed: candidates are equal exactly when their networks are.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

FULL_PRECISION_BITS = 32
LEAST_QUANTIZED_BITS = 2  # of what layers can be rounded to: symmetric codes need a zero and one step either way
SUPPORTED_BITS = (1, 2, 3, 4, 5, 6, 7, 8, FULL_PRECISION_BITS)


@dataclass(frozen=True, slots=True)
class ConvBlock:
    """A convolutional block: output channels, spatial kernel and ratio of inner to reference channels."""

    width: int
    kernel_size: int
    expand_ratio: float


@dataclass(frozen=True, slots=True)
class OperatorBlock:
    """A block that is one named operator, as in the cells and layers of tabular benchmarks."""

    operator: str | int | float


Block = ConvBlock | OperatorBlock
_BLOCK_TYPES: dict[str, type[ConvBlock] | type[OperatorBlock]] = {"conv": ConvBlock, "operator": OperatorBlock}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network of a space: input side in pixels and the active blocks of every stage."""

    space: str
    resolution: int
    stages: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True, slots=True)
class LayerPolicy:
    """How one layer is compressed; the defaults leave it as it is.

    Attributes:
        weight_bits: Bits of a weight, one of `SUPPORTED_BITS`; 32 is floating point.
        activation_bits: Bits of the layer's input and output activations; 32 is floating point.
        sparsity: Share of weights removed, in [0, 1).
        rank: Rank of a factorisation, or None for the full matrix.
    """

    weight_bits: int = FULL_PRECISION_BITS
    activation_bits: int = FULL_PRECISION_BITS
    sparsity: float = 0.0
    rank: int | None = None

    def __post_init__(self) -> None:
        for bits in (self.weight_bits, self.activation_bits):
            if bits not in SUPPORTED_BITS:
                raise ValueError(f"a bit-width must be one of {SUPPORTED_BITS}, got {bits}")
        if self.rank is not None and self.rank < 1:
            raise ValueError(f"a rank must be 1 or more, or None, got {self.rank}")
        if not 0.0 <= self.sparsity < 1.0:
            raise ValueError(f"sparsity must lie in [0, 1), got {self.sparsity}")

    @classmethod
    def parse(cls, text: str) -> LayerPolicy:
        """Reads the short form, such as `w4a8`."""
        match = re.fullmatch(r"w(\d+)a(\d+)", text)
        if match is None:
            raise ValueError(f"a layer policy is written like w8a8 (weight and activation bits), got {text!r}")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        extras = (f"s{self.sparsity:g}" if self.sparsity else "") + (f"r{self.rank}" if self.rank is not None else "")
        return f"w{self.weight_bits}a{self.activation_bits}{extras}"


@dataclass(frozen=True, slots=True)
class CompressionPolicy:
    """One `LayerPolicy` for each of `space.layers(architecture)`, in that order."""

    layers: tuple[LayerPolicy, ...]


@dataclass(frozen=True)
class Candidate:
    """An architecture together with its compression policy."""

    architecture: Architecture
    policy: CompressionPolicy = field(default_factory=lambda: CompressionPolicy(()))

    @cached_property
    def key(self) -> str:
        """A stable hash of 16 hexadecimal digits, equal exactly for equal candidates."""
        return hashlib.sha256(self._json.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The canonical JSON text of this candidate."""
        return self._json

    @cached_property
    def _json(self) -> str:
        architecture = self.architecture
        stages = [[_block_entry(block) for block in stage] for stage in architecture.stages]
        layers = [[p.weight_bits, p.activation_bits, float(p.sparsity), p.rank] for p in self.policy.layers]
        document = {
            "space": architecture.space,
            "resolution": architecture.resolution,
            "stages": stages,
            "policy": layers,
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Candidate:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: If the text is not the JSON of a candidate.
        """
        try:
            document = json.loads(text)
            stages = tuple(tuple(_block(entry) for entry in stage) for stage in document["stages"])
            architecture = Architecture(document["space"], document["resolution"], stages)
            layers = tuple(LayerPolicy(*entry) for entry in document["policy"])
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"not the JSON of a candidate ({error!r}): {text[:80]!r}") from error
        return cls(architecture, CompressionPolicy(layers))


def _block_entry(block: Block) -> dict[str, Any]:
    if isinstance(block, OperatorBlock):
        return {"block": "operator", "operator": block.operator}
    return {
        "block": "conv",
        "width": block.width,
        "kernel_size": block.kernel_size,
        "expand_ratio": float(block.expand_ratio),
    }


def _block(entry: dict[str, Any]) -> Block:
    fields = dict(entry)
    return _BLOCK_TYPES[fields.pop("block")](**fields)
