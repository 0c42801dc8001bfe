"""Candidates: an architecture and the policies of its layers, as frozen values for networks, people and databases.

Only active blocks are listed: choices that change nothing are no part of a candidate. Independent of genes and of
families.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

_VERSION = 1  # version of the JSON form


@dataclass(frozen=True, slots=True)
class ConvBlock:
    """A block of convolutions.

    Attributes:
        width: Output channels.
        kernel_size: Size of its spatial kernels in both axes.
        expand_ratio: Inner channels divided by input channels in a MobileNet, or by output channels in a ResNet.
    """

    width: int
    kernel_size: int
    expand_ratio: float


@dataclass(frozen=True, slots=True)
class OperatorBlock:
    """A block that is one named operator, as in the cells and layers of tabular benchmarks.

    Attributes:
        operator: Name of the operator, or a number where the table has numbers.
    """

    operator: str | int | float


@dataclass(frozen=True, slots=True)
class ChannelBlock:
    """What is kept of a group of channels of a given network.

    Attributes:
        group: Name of the group.
        width: Number of channels.
    """

    group: str
    width: int


@dataclass(frozen=True, slots=True)
class KeptBlock:
    """A block of a given network that may be left out, and is not.

    Attributes:
        name: Name of the block.
    """

    name: str


Block = ConvBlock | OperatorBlock | ChannelBlock | KeptBlock
_BLOCK_TYPES: dict[str, type[Block]] = {
    "conv": ConvBlock,
    "operator": OperatorBlock,
    "channels": ChannelBlock,
    "kept": KeptBlock,
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network of a space.

    Attributes:
        space: Name of the space.
        resolution: Height and width of the input images in pixels; 0 where the space has no square images.
        stages: The active blocks of every stage, in execution order.
    """

    space: str
    resolution: int
    stages: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True)
class Candidate:
    """An architecture together with its compression policy.

    Attributes:
        architecture: The network.
        policy: How its layers are compressed, one entry for each layer; empty for a network without layers.
    """

    architecture: Architecture
    policy: CompressionPolicy = field(default_factory=lambda: CompressionPolicy(()))

    @cached_property
    def key(self) -> str:
        """A hash of 16 hexadecimal digits, the same in every process: the first 64 bits of SHA-256 of the JSON."""
        return hashlib.sha256(self._json.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The canonical JSON text of this candidate."""
        return self._json

    @cached_property
    def _json(self) -> str:
        architecture = self.architecture
        stages = [[_block_entry(block) for block in stage] for stage in architecture.stages]
        document = {
            "version": _VERSION,
            "space": architecture.space,
            "resolution": architecture.resolution,
            "stages": stages,
            "policy": [policy.to_json() for policy in self.policy.layers],
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
            if (version := document.get("version")) != _VERSION:
                raise ValueError(
                    f"the JSON of a candidate is read in version {_VERSION}, got version {version!r}; "
                    "read it with the release of this program that wrote it"
                )
            stages = tuple(tuple(_block(entry) for entry in stage) for stage in document["stages"])
            architecture = Architecture(document["space"], document["resolution"], stages)
            layers = tuple(LayerPolicy.from_json(parts) for parts in document["policy"])
        except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"not the JSON of a candidate ({error!r}): {text[:80]!r}") from error
        return cls(architecture, CompressionPolicy(layers))


def _block_entry(block: Block) -> dict[str, Any]:
    if isinstance(block, OperatorBlock):
        return {"block": "operator", "operator": block.operator}
    if isinstance(block, ChannelBlock):
        return {"block": "channels", "group": block.group, "width": block.width}
    if isinstance(block, KeptBlock):
        return {"block": "kept", "name": block.name}
    return {
        "block": "conv",
        "width": block.width,
        "kernel_size": block.kernel_size,
        "expand_ratio": float(block.expand_ratio),
    }


def _block(entry: dict[str, Any]) -> Block:
    fields = dict(entry)
    return _BLOCK_TYPES[fields.pop("block")](**fields)
