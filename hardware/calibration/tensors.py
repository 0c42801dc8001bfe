"""The tensors of one network: each with its use and its elements.

This walk is the definition of a use; `tensor_terms` tabulates the same for all networks of a space.
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
    """A tensor of a network.

    Attributes:
        use: How it is made and read.
        elements: Number of elements that the node which makes it works on, for one input. For a layer, these are the
            elements of the tensor itself. A node without weights works on its inputs too: a pooling yields few
            elements, but takes the time of many.
    """

    use: TensorUse
    elements: int


def find_tensors(network: RandomNetwork) -> list[Tensor]:
    """The inputs of a network and the output of each of its nodes, in execution order; see `fuse_activations`.

    Shapes, and the elements that follow from them, are those of one input.
    """
    producers = dict.fromkeys(network.inputs, Producer(IMAGES_CLASS))
    shapes = dict(network.inputs)
    elements = {name: prod(shape) for name, shape in shapes.items()}
    nodes = fuse_activations(network.nodes)
    for node in nodes:
        if placed := network.layer_at(node):
            layer, policy = placed
            producers[node.name] = Producer(NodeClass.from_layer(layer, policy))
            shapes[node.name] = layer.output_shape
            elements[node.name] = layer.output_elements
        else:
            classes = [producers[name].node for name in node.inputs]
            producers[node.name] = Producer.from_inputs(name_operator(node.operator), classes)
            read = [shapes[name] for name in node.inputs]
            shapes[node.name] = node.operator.output_shape(*read)
            elements[node.name] = count_worked_elements(*read, shapes[node.name])
    readers = _find_readers(nodes, {name: producer.node for name, producer in producers.items()})
    return [Tensor(TensorUse(producer, tuple(readers[name])), elements[name]) for name, producer in producers.items()]


def name_operator(operator: Operator) -> str:
    """The name of an operator without weights in a use; that of an opaque one is the operation that it calls."""
    return operator.target.split(".")[1] if isinstance(operator, Opaque) else operator.name


def count_worked_elements(*shapes: Shape) -> int:
    """The elements that a node without weights works on, given the shapes that it reads and makes."""
    return max(map(prod, shapes))


def fuse_activations(nodes: Sequence[Node]) -> list[Node]:
    """The nodes without the activations that are the only reader of a node without weights.

    Such an activation and the node that it reads count as one node, which has the name of that node.
    """
    value = find_fused_activations(nodes)
    return [
        replace(node, inputs=tuple(value.get(name, name) for name in node.inputs))
        for node in nodes
        if node.name not in value
    ]


def find_fused_activations(nodes: Sequence[Node]) -> dict[str, str]:
    """The activations that `fuse_activations` leaves out, and the nodes as which they count, by name."""
    readers = Counter(name for node in nodes for name in node.inputs)
    weightless = {node.name for node in nodes if not isinstance(node.operator, Slot)}
    return {
        node.name: node.inputs[0]
        for node in nodes
        if isinstance(node.operator, Activation) and node.inputs[0] in weightless and readers[node.inputs[0]] == 1
    }


def _find_readers(nodes: Sequence[Node], classes: dict[str, NodeClass]) -> defaultdict[str, list[Reader]]:
    """The readers of every tensor by name, given the class of every node."""
    readers: defaultdict[str, list[Reader]] = defaultdict(list)
    for node in reversed(nodes):  # so that all readers of a node's output are known when the node becomes a reader
        for index, name in enumerate(node.inputs):
            partners = [classes[other] for at, other in enumerate(node.inputs) if at != index]
            readers[name].append(Reader.from_node(classes[node.name].as_reader, partners, readers[node.name]))
    return readers
