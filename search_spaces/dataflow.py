"""How the layers of a family are joined: the nodes of its largest network, and those of a network with fewer layers.

Independent of any family and any runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from search_spaces.network_graph import Node
from search_spaces.operators.operator import Operator, Shape

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Slot(Operator):
    """Stands for a layer that genes decide, as an operator of the nodes of a family.

    Attributes:
        layer: Name of the layer; None where it is the name of the node.
        call: Which of the call sites of the layer this is, from 0.
    """

    name: ClassVar[str] = "slot"
    layer: str | None = None
    call: int = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        """Raises ValueError: only the layer that genes put there has a shape."""
        raise ValueError(f"what genes put into a slot decides its output, got inputs {inputs} and no genes")


def make_slot(name: str, read: str) -> Node:
    """The node where the layer of a name stands.

    Args:
        name: Of the layer, and of the node.
        read: Name of the value that the layer reads.
    """
    return Node(name, Slot(), (read,))


def get_layer_name(node: Node) -> str | None:
    """Name of the layer that a node is a slot of; None if the node is no slot."""
    return (node.operator.layer or node.name) if isinstance(node.operator, Slot) else None


def make_chain(layers: Sequence[str]) -> tuple[Node, ...]:
    """The slots of layers of which each reads the one before, and the first reads the images."""
    return tuple(make_slot(name, before) for before, name in zip((IMAGES, *layers), layers, strict=False))


def get_block_name(name: str) -> str:
    """Name of the block that a layer or node is a part of: all but the last part of its own, or that if it has one."""
    return name.rpartition(".")[0] or name


def check_dataflow(nodes: Sequence[Node], layers: Sequence[str], inputs: Sequence[str] = (IMAGES,)) -> None:
    """Checks that every layer has a slot for its first call, and that nodes read values that are there by then.

    Args:
        nodes: In execution order.
        layers: Names of all layers.
        inputs: Names of the values that no node yields.

    Raises:
        ValueError: If it is otherwise.
    """
    known = {*inputs}
    for node in nodes:
        unknown = [name for name in node.inputs if name not in known]
        if unknown or node.name in known:
            raise ValueError(f"node {node.name!r} must have a name of its own and read earlier values, got {node}")
        known.add(node.name)
    first = [node for node in nodes if isinstance(node.operator, Slot) and node.operator.call == 0]
    named = [get_layer_name(node) for node in first]
    if sorted(map(str, named)) != sorted(layers):
        raise ValueError(f"a dataflow needs one slot per layer, {list(layers)}, got {named}")


def find_deciding_layers(nodes: Sequence[Node]) -> Mapping[str, tuple[str, ...]]:
    """The layers that decide whether each node is there, by the name of the node.

    A layer decides for itself, and any other node is there where one or more layers of its block are. A node for which
    no layer decides is always there.
    """
    members: dict[str, list[str]] = {}
    for node in nodes:
        if layer := get_layer_name(node):
            members.setdefault(get_block_name(layer), []).append(layer)
    return {
        node.name: (layer,) if (layer := get_layer_name(node)) else tuple(members.get(get_block_name(node.name), ()))
        for node in nodes
    }


def select_present_nodes(nodes: Sequence[Node], layers: Sequence[str]) -> list[Node]:
    """The nodes of a network that has only some of the layers, each reading values that are there.

    A node that is missing passes its first input on: whoever reads the node reads that instead.

    Args:
        nodes: Of the largest network, in execution order.
        layers: Names of the layers that the network has.
    """
    value: dict[str, str] = {}
    deciding, there = find_deciding_layers(nodes), set(layers)
    present = []
    for node in nodes:
        inputs = tuple(value.get(name, name) for name in node.inputs)
        missing = bool(deciding[node.name]) and not there.intersection(deciding[node.name])
        value[node.name] = inputs[0] if missing else node.name
        if not missing:
            present.append(replace(node, inputs=inputs))
    return present
