"""How nodes join the layers of a family: in its largest network, and in a network with fewer layers.

Independent of any family and any runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from search_spaces.choices import Value
from search_spaces.network_graph import Node
from search_spaces.operators.operator import Operator, Shape

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Slot(Operator):
    """Stands for a layer that genes decide, as an operator of the nodes of a family.

    Attributes:
        layer: Name of the layer; None if the node has the same name.
        call: Index of this call among the calls of the layer, from 0.
    """

    name: ClassVar[str] = "slot"
    layer: str | None = None
    call: int = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        """Raises ValueError: the layer that genes put into the slot decides the shape."""
        raise ValueError(f"what genes put into a slot decides its output, got inputs {inputs} and no genes")


@dataclass(frozen=True)
class OperatorSlot:
    """A node that calls no layer, and whose operator a few genes decide all the same, such as its channels.

    Attributes:
        genes: Names of the choices that `operator` reads.
        operator: Function of the values of these choices, in that order.
    """

    genes: tuple[str, ...]
    operator: Callable[[Sequence[Value]], Operator]


def make_slot(name: str, read: str) -> Node:
    """The node that is the slot of a layer.

    Args:
        name: Name of the layer, and of the node.
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
    """Name of the block of a layer or node: its own name up to the last dot, or all of it if there is no dot."""
    return name.rpartition(".")[0] or name


def check_dataflow(nodes: Sequence[Node], layers: Sequence[str], inputs: Sequence[str] = (IMAGES,)) -> None:
    """Checks that nodes form a network: the first call of every layer has one slot, and nodes read earlier values.

    Args:
        nodes: The nodes, in execution order.
        layers: Names of all layers.
        inputs: Names of the inputs of the network.

    Raises:
        ValueError: If a node reads a value that no earlier node yields, two values share a name, or a layer has no slot
            or several for its first call.
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


def place_operators(
    nodes: Sequence[Node], slots: Mapping[str, OperatorSlot], values: Mapping[str, Value]
) -> tuple[Node, ...]:
    """Nodes with the operators that they have at the values of all genes.

    Args:
        nodes: The nodes of the largest network.
        slots: Those whose operators genes decide, by name.
        values: Values of the genes by name.
    """
    decided = {name: slot.operator([values[gene] for gene in slot.genes]) for name, slot in slots.items()}
    return tuple(replace(node, operator=decided.get(node.name, node.operator)) for node in nodes)


@dataclass(frozen=True, slots=True)
class Presence:
    """When a network has a node of the largest one, and what is read in its place if it has not.

    Attributes:
        layers: Names of the layers of which the network has one or more if it has the node; empty if every network has
            the node.
        bypass: Name of an earlier value, which readers of the node read in its place; None if every network has it.
    """

    layers: tuple[str, ...] = ()
    bypass: str | None = None


def find_presence(nodes: Sequence[Node]) -> Mapping[str, Presence]:
    """By the name of each node, when a network has the node, as far as names tell.

    A network has a slot if it has its layer, and any other node if it has one or more layers of the block of the node.
    A node whose block has no layers is in every network. In place of a node its first input is read.
    """
    members: dict[str, list[str]] = {}
    for node in nodes:
        if layer := get_layer_name(node):
            members.setdefault(get_block_name(layer), []).append(layer)
    found = {}
    for node in nodes:
        layer = get_layer_name(node)
        layers = (layer,) if layer else tuple(members.get(get_block_name(node.name), ()))
        found[node.name] = Presence(layers, node.inputs[0]) if layers else Presence()
    return found


def select_present_nodes(
    nodes: Sequence[Node], layers: Sequence[str], presence: Mapping[str, Presence] | None = None
) -> list[Node]:
    """The nodes of a network that has only some of the layers.

    Args:
        nodes: The nodes of the largest network, in execution order.
        layers: Names of the layers that the network has.
        presence: When networks have each node; None takes what the names tell (`find_presence`).
    """
    value: dict[str, str] = {}
    known, there = presence or find_presence(nodes), set(layers)
    present = []
    for node in nodes:
        needed, bypass = known[node.name].layers, known[node.name].bypass
        if bypass is not None and there.isdisjoint(needed):
            value[node.name] = value.get(bypass, bypass)
        else:
            present.append(replace(node, inputs=tuple(value.get(name, name) for name in node.inputs)))
    return present
