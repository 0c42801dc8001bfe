"""What the tensors of all networks of a space cost, tabulated: the walk of `tensors`, carried out on quantities.

A use reaches no farther than to the neighbours of a node, and what a node tells its neighbours takes few values. So
each step of the walk is a small table: forwards to see how tensors are made, and backwards to see who reads them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from math import prod

from hardware.calibration.tensor_costs import TensorCosts
from hardware.calibration.tensor_use import NodeClass, Producer, Reader, TensorUse
from hardware.calibration.tensors import IMAGES_CLASS
from hardware.device import Device
from search_spaces.additive_cost import Term
from search_spaces.compression_policy import LayerPolicy
from search_spaces.dataflow import IMAGES, Node, is_kept, stands_for
from search_spaces.joint_space import JointSpace
from search_spaces.layers import LayerSpec
from search_spaces.quantities import Quantities, Quantity

Readers = tuple[Reader, ...]


def tensor_terms(space: JointSpace, device: Device, costs: TensorCosts, quantities: Quantities) -> list[Term]:
    """One term for every tensor of the largest network.

    Args:
        space: The networks.
        device: Decides which layers compute on integers.
        costs: What a tensor costs by its use and its elements.
        quantities: Of the genes of the space; the terms are over its columns.

    Raises:
        ValueError: If the device has no kernel for a policy of the space.
    """
    walk = _Walk(space, device, quantities)
    for node in space.architectures.nodes:
        walk.make(node)
    for node in reversed(space.architectures.nodes):
        walk.read(node)
    return [walk.term(name, costs) for name in (IMAGES, *(node.name for node in space.architectures.nodes))]


@dataclass(frozen=True)
class _Made:
    """How the tensor that a name stands for is made; the producer is that of the node, if it is not missing."""

    stands_for: Quantity[str]
    producer: Quantity[Producer | None]
    node: Quantity[NodeClass]
    elements: Quantity[int]


class _Walk:
    """A walk through the nodes of the largest network: `make` goes forwards, `read` and then `term` backwards."""

    def __init__(self, space: JointSpace, device: Device, quantities: Quantities) -> None:
        self._quantities, first_policy = quantities, len(space.architectures.choices)
        slots = zip(space.architectures.slots, space.slots, space.slot_policies, strict=True)
        self._layers = {
            slot.name: (
                quantities.of_genes(tabulated.columns, tabulated.layers),
                quantities.of_genes([gene], [device.kernel(policy) for policy in policies]),
            )
            for gene, (slot, tabulated, policies) in enumerate(slots, start=first_policy)
        }
        first, _ = next(iter(self._layers.values()))
        self._made = {
            IMAGES: _Made(
                quantities.constant(IMAGES),
                quantities.constant(Producer(IMAGES_CLASS)),
                quantities.constant(IMAGES_CLASS),
                quantities.derive(_input_elements, first),
            )
        }
        self._exists = {IMAGES: quantities.constant(True)}
        self._readers: defaultdict[str, Quantity[Readers]] = defaultdict(lambda: quantities.constant(()))

    def make(self, node: Node) -> None:
        """Tells how the output of a node is made, given its inputs."""
        derive, inputs = self._quantities.derive, [self._made[name] for name in node.inputs]
        if node.kind == "layer":
            layer, kernel = self._layers[node.name]
            producer = derive(_layer_producer, layer, kernel)
            filled = derive(lambda one: one is not None, layer)
            elements = derive(_output_elements, layer, inputs[0].elements)
        else:
            producer = derive(partial(_joining_producer, node.kind), *(made.node for made in inputs))
            filled, elements = self._quantities.constant(True), inputs[0].elements
        own = derive(partial(_stands_for, node), filled, *(made.stands_for for made in inputs))
        missing = derive(lambda name: name != node.name, own)
        seen = derive(_seen_as, missing, producer, inputs[0].node)
        self._made[node.name] = _Made(own, producer, seen, elements)

    def read(self, node: Node) -> None:
        """Tells the inputs of a node who reads them, given who reads its output."""
        derive, made, readers = self._quantities.derive, self._made[node.name], self._readers[node.name]
        exists = derive(partial(_exists, node), made.stands_for, readers)
        is_layer, nobody = node.kind == "layer", self._quantities.constant(())
        label = derive(lambda one: one.as_reader, made.node) if is_layer else self._quantities.constant(node.kind)
        for index, name in enumerate(node.inputs):
            partners = [self._made[other].node for at, other in enumerate(node.inputs) if at != index]
            reader = derive(_reader, label, readers if partners else nobody, *partners)
            read = derive(_read, exists, reader, readers if index == 0 else nobody)
            self._readers[name] = derive(_both, self._readers[name], read)
        self._exists[node.name] = exists

    def term(self, name: str, costs: TensorCosts) -> Term:
        """The cost of the output of a node, where the node exists."""
        derive, made = self._quantities.derive, self._made[name]
        use = derive(_use, self._exists[name], made.producer, self._readers[name])
        cost = derive(lambda use, elements: costs.price(use, elements) if use else 0.0, use, made.elements)
        return self._quantities.term(cost)


def _input_elements(layer: LayerSpec | None) -> int:
    return prod(layer.input_shape) if layer else 0


def _output_elements(layer: LayerSpec | None, missing: int) -> int:
    return layer.activations if layer else missing


def _layer_producer(layer: LayerSpec | None, kernel: LayerPolicy) -> Producer | None:
    return Producer(NodeClass.of_layer(layer, kernel)) if layer else None


def _joining_producer(kind: str, *inputs: NodeClass) -> Producer:
    return Producer.joining(kind, inputs)


def _stands_for(node: Node, filled: bool, *inputs: str) -> str:
    return stands_for(node, filled, inputs)


def _seen_as(missing: bool, producer: Producer | None, first: NodeClass) -> NodeClass:
    return first if missing or producer is None else producer.node


def _exists(node: Node, name: str, readers: Readers) -> bool:
    return name == node.name and is_kept(node, bool(readers))


def _reader(label: str, readers: Readers, *partners: NodeClass) -> Reader:
    return Reader.of(label, partners, readers)


def _read(exists: bool, reader: Reader, passed: Readers) -> Readers:
    """The node, or where it is missing those who read its output: they read its first input instead."""
    return (reader,) if exists else passed


def _both(readers: Readers, others: Readers) -> Readers:
    return tuple(sorted((*readers, *others)))


def _use(exists: bool, producer: Producer | None, readers: Readers) -> TensorUse | None:
    return TensorUse(producer, readers) if exists and producer else None
