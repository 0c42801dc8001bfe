"""The tensors of one network: each with its use and its elements.

This walk is the definition of a use; `tensor_terms` tabulates the same for all networks of a space. It knows no cost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from hardware.calibration.tensor_use import FLOAT, NodeClass, Producer, Reader, TensorUse
from hardware.profiling.workload import RandomNetwork
from search_spaces.dataflow import IMAGES, Slot
from search_spaces.network_graph import Node
from search_spaces.operators.opaque import Opaque
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.pointwise import Activation

IMAGES_CLASS = NodeClass(IMAGES, FLOAT)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a network: how it is made and read, and the elements for one input that making it takes.

    Those are its own elements where a layer makes it. A node without weights works on what it reads: a pooling gives
    few elements and takes the time of many.
    """

    use: TensorUse
    elements: int


def find_tensors(network: RandomNetwork) -> list[Tensor]:
    """The inputs of a network and the output of each of its nodes, in execution order; see `fuse_activations`."""
    producers = dict.fromkeys(network.inputs, Producer(IMAGES_CLASS))
    shapes = dict(network.inputs)
    elements = {name: prod(shape) for name, shape in shapes.items()}
    nodes = fuse_activations(network.nodes)
    for node in nodes:
        if placed := network.layer_at(node):
            layer, kernel = placed
            producers[node.name] = Producer(NodeClass.of_layer(layer, kernel))
            shapes[node.name] = layer.output_shape
            elements[node.name] = layer.activations
        else:
            classes = [producers[name].node for name in node.inputs]
            producers[node.name] = Producer.joining(kind_of(node.operator), classes)
            read = [shapes[name] for name in node.inputs]
            shapes[node.name] = node.operator.output_shape(*read)
            elements[node.name] = worked_on(*read, shapes[node.name])
    readers = _find_readers(nodes, {name: producer.node for name, producer in producers.items()})
    return [Tensor(TensorUse(producer, tuple(readers[name])), elements[name]) for name, producer in producers.items()]


def kind_of(operator: Operator) -> str:
    """By what name a use calls an operator without weights; an opaque one by the operation that it calls."""
    return operator.target.split(".")[1] if isinstance(operator, Opaque) else operator.name


def worked_on(*shapes: Shape) -> int:
    """The elements that making a tensor without weights takes, given the shapes that are read and made."""
    return max(map(prod, shapes))


def fuse_activations(nodes: Sequence[Node]) -> list[Node]:
    """The nodes without activations that alone read a node without weights: both are one to those around them."""
    readers = Counter(name for node in nodes for name in node.inputs)
    joins = {node.name for node in nodes if not isinstance(node.operator, Slot)}
    value = {
        node.name: node.inputs[0]
        for node in nodes
        if isinstance(node.operator, Activation) and node.inputs[0] in joins and readers[node.inputs[0]] == 1
    }
    return [
        replace(node, inputs=tuple(value.get(name, name) for name in node.inputs))
        for node in nodes
        if node.name not in value
    ]


def _find_readers(nodes: Sequence[Node], classes: dict[str, NodeClass]) -> defaultdict[str, list[Reader]]:
    """The readers of every tensor by name, given the class of every node."""
    readers: defaultdict[str, list[Reader]] = defaultdict(list)
    for node in reversed(nodes):  # those that read a node's output are known before the node itself is told of
        for index, name in enumerate(node.inputs):
            partners = [classes[other] for at, other in enumerate(node.inputs) if at != index]
            readers[name].append(Reader.of(classes[node.name].as_reader, partners, readers[node.name]))
    return readers
