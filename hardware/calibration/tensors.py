"""The tensors of one network: each with its use and its elements.

This walk is the definition of a use; `tensor_terms` tabulates the same for all networks of a space. It knows no cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from hardware.calibration.tensor_use import FLOAT, NodeClass, Producer, Reader, TensorUse
from hardware.profiling.workload import RandomNetwork
from search_spaces.dataflow import IMAGES, Node

IMAGES_CLASS = NodeClass(IMAGES, FLOAT)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a network: how it is made and read, and its elements for one input."""

    use: TensorUse
    elements: int


def find_tensors(network: RandomNetwork) -> list[Tensor]:
    """The input of a network and the output of each of its nodes, in execution order."""
    first, _ = network.layers[network.nodes[0].name]
    producers = {IMAGES: Producer(IMAGES_CLASS)}
    elements = {IMAGES: prod(first.input_shape)}
    for node in network.nodes:
        if node.kind == "layer":
            layer, kernel = network.layers[node.name]
            producers[node.name] = Producer(NodeClass.of_layer(layer, kernel))
            elements[node.name] = layer.activations
        else:
            producers[node.name] = Producer.joining(node.kind, [producers[name].node for name in node.inputs])
            elements[node.name] = elements[node.inputs[0]]
    readers = _find_readers(network.nodes, {name: producer.node for name, producer in producers.items()})
    return [Tensor(TensorUse(producer, tuple(readers[name])), elements[name]) for name, producer in producers.items()]


def _find_readers(nodes: Sequence[Node], classes: dict[str, NodeClass]) -> defaultdict[str, list[Reader]]:
    """The readers of every tensor by name, given the class of every node."""
    readers: defaultdict[str, list[Reader]] = defaultdict(list)
    for node in reversed(nodes):  # those that read a node's output are known before the node itself is told of
        for index, name in enumerate(node.inputs):
            partners = [classes[other] for at, other in enumerate(node.inputs) if at != index]
            readers[name].append(Reader.of(classes[node.name].as_reader, partners, readers[node.name]))
    return readers
