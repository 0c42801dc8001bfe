"""The costs of the tensors of all networks of a space, tabulated: the walk of `tensors`, on quantities.

The use of a tensor depends on nodes at most two steps away, and records few values of each. So each step of the walk is
a small table. The walk goes forwards to find how tensors are made, and backwards to find their readers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from math import prod

from hardware.calibration.tensor_costs import TensorCosts
from hardware.calibration.tensor_use import NodeClass, Producer, Reader, TensorUse
from hardware.calibration.tensors import (
    IMAGES_CLASS,
    count_worked_elements,
    find_fused_activations,
    fuse_activations,
    name_operator,
)
from hardware.device import Device
from search_spaces.additive_cost import Term
from search_spaces.compression_policy import LayerPolicy
from search_spaces.dataflow import Slot, get_layer_name
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.operator import Operator, Shape
from search_spaces.quantities import Quantities, Quantity

Readers = tuple[Reader, ...]


def tabulate_tensors(space: JointSpace, device: Device, costs: TensorCosts, quantities: Quantities) -> list[Term]:
    """The costs of the tensors of all networks: one term for every tensor of the largest network.

    The tensor between the factors of a layer of low rank is not among them, see `building.calibrate_table`.

    Args:
        space: The joint space of the networks.
        device: The device, which decides which layers compute on integers.
        costs: Costs of tensors by their uses.
        quantities: Quantities of the genes of the space; the terms are over its columns.

    Raises:
        ValueError: If the device has no precision for a policy of the space.
    """
    walk, nodes = _Walk(space, device, quantities), fuse_activations(space.architectures.nodes)
    for node in nodes:
        walk.make(node)
    for node in reversed(nodes):
        walk.read(node)
    return [walk.term(name, costs) for name in (*space.architectures.inputs, *(node.name for node in nodes))]


@dataclass(frozen=True)
class _Made:
    """How the tensor that a name stands for is made.

    Attributes:
        producer: The node of that name; None in networks without the node.
        node: Class of the node, or in networks without it that of what is read in its place.
        shape: Shape of its output, or in networks without the node that of what is read in its place.
        elements: Number of elements that the node works on, see `Tensor`.
    """

    producer: Quantity[Producer | None]
    node: Quantity[NodeClass]
    shape: Quantity[Shape]
    elements: Quantity[int]


class _Walk:
    """A walk through the nodes of the largest network: `make` goes forwards, `read` and then `term` backwards."""

    def __init__(self, space: JointSpace, device: Device, quantities: Quantities) -> None:
        self._quantities, first_policy = quantities, len(space.architectures.choices)
        slots = zip(space.architectures.slots, space.slots, space.slot_policies, strict=True)
        self._layers = {
            slot.name: (
                quantities.from_genes(tabulated.columns, tabulated.layers),
                quantities.from_genes([gene], [device.executed_as(policy) for policy in policies]),
            )
            for gene, (slot, tabulated, policies) in enumerate(slots, start=first_policy)
        }
        filled = {name: quantities.derive(_is_layer, layer) for name, (layer, _) in self._layers.items()}
        presence, fused = space.architectures.presence, find_fused_activations(space.architectures.nodes)
        self._deciding = {name: [filled[layer] for layer in one.layers] for name, one in presence.items()}
        # what is read in place of a node that networks may lack
        self._bypass = {
            name: fused.get(one.bypass, one.bypass) for name, one in presence.items() if one.bypass is not None
        }
        first, _ = next(iter(self._layers.values()))
        self._made = {}
        for name, given in space.architectures.inputs.items():
            shape = quantities.derive(_input_shape, first) if given is None else quantities.constant(given)
            producer: Quantity[Producer | None] = quantities.constant(Producer(IMAGES_CLASS))
            seen = quantities.constant(IMAGES_CLASS)
            self._made[name] = _Made(producer, seen, shape, quantities.derive(prod, shape))
        self._operators = {
            name: quantities.from_genes(
                [space.architectures.choice_index[gene] for gene in slot.genes],
                [slot.operator(values) for values in space.architectures.list_values(slot.genes)],
            )
            for name, slot in space.architectures.operator_slots.items()
        }
        self._readers: defaultdict[str, Quantity[Readers]] = defaultdict(lambda: quantities.constant(()))

    def make(self, node: Node) -> None:
        """Derives how the output of a node is made from how its inputs are made."""
        derive, inputs = self._quantities.derive, [self._made[name] for name in node.inputs]
        passed = [self._made[self._bypass[node.name]]] if node.name in self._bypass else []
        if isinstance(node.operator, Slot):
            layer, policy = self._layers[str(get_layer_name(node))]
            called = derive(partial(_called, node.operator.call), layer)
            producer = derive(_layer_producer, called, policy)
            shape = derive(_layer_shape, called, *(one.shape for one in passed))
            elements = derive(prod, shape)
        else:
            there = derive(_any_or_none, *self._deciding[node.name])
            join = partial(_joining_producer, name_operator(node.operator))
            producer = derive(join, there, *(one.node for one in inputs))
            operator = self._operators.get(node.name) or self._quantities.constant(node.operator)
            join_shapes = partial(_joined_shape, len(inputs))
            shape = derive(join_shapes, operator, there, *(one.shape for one in (*inputs, *passed)))
            elements = derive(count_worked_elements, *(one.shape for one in inputs), shape)
        seen = derive(_seen, producer, *(one.node for one in passed))
        self._made[node.name] = _Made(producer, seen, shape, elements)

    def read(self, node: Node) -> None:
        """Adds a node to the readers of its inputs, given the readers of its output."""
        derive, made, readers = self._quantities.derive, self._made[node.name], self._readers[node.name]
        nobody = self._quantities.constant(())
        label = derive(lambda node: node.as_reader, made.node)
        there = derive(lambda producer: producer is not None, made.producer)
        for index, name in enumerate(node.inputs):
            partners = [self._made[other].node for at, other in enumerate(node.inputs) if at != index]
            reader = derive(_reader, label, readers if partners else nobody, *partners)
            self._readers[name] = derive(_both, self._readers[name], derive(_read, there, reader))
        if (bypass := self._bypass.get(node.name)) is not None:
            self._readers[bypass] = derive(_both, self._readers[bypass], derive(_passed, there, readers))

    def term(self, name: str, costs: TensorCosts) -> Term:
        """The cost of the output of a node, where the node is there."""
        derive, made = self._quantities.derive, self._made[name]
        use = derive(_use, made.producer, self._readers[name])
        cost = derive(lambda use, elements: costs.price(use, elements) if use else 0.0, use, made.elements)
        return self._quantities.to_term(cost)


def _input_shape(layer: LayerSpec | None) -> Shape:
    assert layer is not None  # every network has its first layer
    return layer.input_shape


def _called(call: int, layer: LayerSpec | None) -> LayerSpec | None:
    return layer.calls[call] if layer else None


def _seen(producer: Producer | None, *passed: NodeClass) -> NodeClass:
    """The class of a node, or in networks without the node that of its first input."""
    return producer.node if producer else passed[0]


def _is_layer(layer: LayerSpec | None) -> bool:
    return layer is not None


def _any_or_none(*filled: bool) -> bool:
    """Whether a network has a node, given which of its deciding layers the network has; there may be none."""
    return any(filled) or not filled


def _layer_producer(layer: LayerSpec | None, policy: LayerPolicy) -> Producer | None:
    return Producer(NodeClass.from_layer(layer, policy)) if layer else None


def _layer_shape(layer: LayerSpec | None, *passed: Shape) -> Shape:
    return layer.output_shape if layer else passed[0]


def _joining_producer(kind: str, there: bool, *inputs: NodeClass) -> Producer | None:
    return Producer.from_inputs(kind, inputs) if there else None


def _joined_shape(count: int, operator: Operator, there: bool, *shapes: Shape) -> Shape:
    """The output shape of a node that reads some of the shapes, or in networks without it the last one."""
    return operator.output_shape(*shapes[:count]) if there else shapes[-1]


def _reader(label: str, readers: Readers, *partners: NodeClass) -> Reader:
    return Reader.from_node(label, partners, readers)


def _read(there: bool, reader: Reader) -> Readers:
    return (reader,) if there else ()


def _passed(there: bool, readers: Readers) -> Readers:
    """The readers of the output of a node in networks without it, where they read another value instead."""
    return () if there else readers


def _both(readers: Readers, others: Readers) -> Readers:
    return tuple(sorted((*readers, *others)))


def _use(producer: Producer | None, readers: Readers) -> TensorUse | None:
    return TensorUse(producer, readers) if producer else None
