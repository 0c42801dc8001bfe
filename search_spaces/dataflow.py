"""How the layers of a network are joined: which value each of them reads, and what is added, gated and pooled.

In: names of layers. Out: `Node`s in execution order, each of which yields one value. Knows no family and no runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from search_spaces.operators.pointwise import Activation

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the largest network and what yields it.

    A network without some of the layers lacks nodes, too: a missing layer passes its input on, a gate without one
    passes what it would have gated, and an addition whose two inputs have become the same value passes that.

    Attributes:
        name: Of the value; for a layer, that of its slot.
        kind: `"layer"`; `"add"`, where the second input is subsampled and padded with zeros if it is of another shape
            (He et al., CVPR 2016, option A); `"gate"`, the product with one factor per channel; `"pool"`, the mean over
            height and width.
        inputs: The values it reads, `"images"` for the input of the network: two for additions and gates, else one.
        activation: What follows an addition.
    """

    name: str
    kind: Literal["layer", "add", "gate", "pool"]
    inputs: tuple[str, ...]
    activation: Activation | None = None

    def __post_init__(self) -> None:
        wanted = 2 if self.kind in ("add", "gate") else 1
        if len(self.inputs) != wanted:
            raise ValueError(f"a node of kind {self.kind!r} reads {wanted} values, got {self.inputs}")


def chain(layers: Sequence[str]) -> tuple[Node, ...]:
    """Layers that read one another in turn."""
    return tuple(Node(name, "layer", (before,)) for before, name in zip((IMAGES, *layers), layers, strict=False))


def check_dataflow(nodes: Sequence[Node], layers: Sequence[str]) -> None:
    """Raises ValueError unless there is one node per layer, and every node reads values that are known by then."""
    known = {IMAGES}
    for node in nodes:
        unknown = [name for name in node.inputs if name not in known]
        if unknown or node.name in known:
            raise ValueError(f"node {node.name!r} must have a name of its own and read earlier values, got {node}")
        known.add(node.name)
    named = [node.name for node in nodes if node.kind == "layer"]
    if sorted(named) != sorted(layers):
        raise ValueError(f"a dataflow needs one node per layer, {list(layers)}, got {named}")


def stands_for(node: Node, filled: bool, inputs: Sequence[str]) -> str:
    """The value that the name of a node stands for: its own, or that of its first input where the node is missing.

    Args:
        node: Of the largest network.
        filled: Whether it is no layer, or one that the network has.
        inputs: The values that the names of its inputs stand for.
    """
    passes = (
        not filled
        or (node.kind == "add" and inputs[0] == inputs[1])
        or (node.kind == "gate" and inputs[1] != node.inputs[1])
    )
    return inputs[0] if passes else node.name


def is_kept(node: Node, is_read: bool) -> bool:
    """Whether a node that is not missing is run at all: a pooling is not if nothing reads it."""
    return is_read or node.kind != "pool"


def present_nodes(nodes: Sequence[Node], layers: Sequence[str]) -> list[Node]:
    """The nodes of a network that has only some of the layers, each reading values that are there."""
    value = {IMAGES: IMAGES}
    present = []
    for node in nodes:
        inputs = tuple(value[name] for name in node.inputs)
        value[node.name] = stands_for(node, node.kind != "layer" or node.name in layers, inputs)
        if value[node.name] == node.name:
            present.append(replace(node, inputs=inputs))
    read = {name for node in present for name in node.inputs}
    return [node for node in present if is_kept(node, node.name in read)]
