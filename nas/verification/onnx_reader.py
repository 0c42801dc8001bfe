"""The graph of an ONNX file, read by the standard library alone: its nodes, and what it stores.

A file is a message of protocol buffers: fields of a number and a kind, of which the few that are needed here are read.
The numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Nothing is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5  # kinds of fields
_MOST_SHIFT = 63  # of a number: 64 bits, seven at a time
_MODEL_GRAPH, _MODEL_OPSETS = 7, 8
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_NODES, _GRAPH_STORED, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_NODE_INPUTS, _NODE_OUTPUTS, _NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTES = 1, 2, 3, 4, 5
_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 6, 11
_TENSOR_DIMS, _TENSOR_NAME = 1, 8
_TENSOR_DATA = (4, 5, 6, 7, 9, 10, 11)  # one field for each kind of number, and one for raw bytes
_VALUE_NAME = 1
_MOST_NESTED = 32  # graphs within graphs; a file of more is none of a network


@dataclass(frozen=True)
class Node:
    """A node of a graph.

    Attributes:
        name: Its name, which may be empty.
        operator: Name of its operator.
        inputs: Names of its inputs; an empty one for an input that is left out.
        outputs: Names of its outputs.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Tensor:
    """A tensor that a file stores.

    Attributes:
        shape: Its shape.
        bytes: How many bytes its numbers take in the file.
    """

    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Graph:
    """A graph, with the nodes of graphs inside it.

    Attributes:
        opset: Version of the standard operators.
        nodes: Its nodes, in order.
        stored: The tensors that are stored, by name.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
    """

    opset: int
    nodes: tuple[Node, ...]
    stored: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def find_unread(self) -> list[str]:
        """Names of stored tensors that no node reads, and that are no output."""
        read = {name for node in self.nodes for name in node.inputs} | {*self.outputs}
        return [name for name in self.stored if name not in read]


def read_graph(content: bytes) -> Graph:
    """The graph of a model.

    Args:
        content: An ONNX file.

    Raises:
        ValueError: If it is none.
    """
    try:
        model = [*_read_fields(memoryview(content))]
        opsets = [dict(_read_fields(_part(value))) for number, value in model if number == _MODEL_OPSETS]
        versions = [one[_OPSET_VERSION] for one in opsets if not bytes(_part(one.get(_OPSET_DOMAIN, memoryview(b""))))]
        (graph,) = [_part(value) for number, value in model if number == _MODEL_GRAPH]
        (opset,) = [version for version in versions if isinstance(version, int)]
        stored: dict[str, Tensor] = {}
        nodes = tuple(_read_nodes(graph, stored, 0))
        inputs, outputs = (
            tuple(_text(_part(value), _VALUE_NAME) for number, value in _read_fields(graph) if number == wanted)
            for wanted in (_GRAPH_INPUTS, _GRAPH_OUTPUTS)
        )
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError("it is no ONNX file, or damaged") from error
    return Graph(opset, nodes, stored, inputs, outputs)


def _read_nodes(graph: memoryview, stored: dict[str, Tensor], depth: int) -> Iterator[Node]:
    """The nodes of a graph and of all graphs inside it; what these store is added to `stored`."""
    if depth > _MOST_NESTED:
        raise ValueError("graphs are nested too deep")
    for number, value in _read_fields(graph):
        if number == _GRAPH_STORED:
            shape = tuple(_read_integers(_part(value), _TENSOR_DIMS))
            data = (part for one, part in _read_fields(_part(value)) if one in _TENSOR_DATA)
            size = sum(len(part) if isinstance(part, memoryview) else 1 for part in data)
            stored[_text(_part(value), _TENSOR_NAME)] = Tensor(shape, size)
        elif number == _GRAPH_SPARSE:
            raise ValueError("sparse tensors are not known")
        elif number == _GRAPH_NODES:
            fields = [*_read_fields(_part(value))]
            for one, attribute in fields:
                if one == _NODE_ATTRIBUTES:
                    for kind, inner in _read_fields(_part(attribute)):
                        if kind in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                            yield from _read_nodes(_part(inner), stored, depth + 1)
            inputs, outputs = (
                tuple(_decode(_part(name)) for one, name in fields if one == wanted)
                for wanted in (_NODE_INPUTS, _NODE_OUTPUTS)
            )
            yield Node(_text(_part(value), _NODE_NAME), _text(_part(value), _NODE_OPERATOR), inputs, outputs)


def _read_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message: the number of each, and an integer or the bytes of anything else."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield key >> 3, value
            continue
        length = {_FIXED_64: 8, _FIXED_32: 4}.get(kind)
        if kind == _BYTES:
            length, at = _read_varint(message, at)
        if length is None or not at + length <= len(message):
            raise ValueError("a field is of an unknown kind, or longer than its message")
        yield key >> 3, message[at : at + length]
        at += length


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next field begins."""
    number = 0
    for shift in range(0, _MOST_SHIFT + 1, 7):
        byte = message[at]
        number, at = number | (byte & 127) << shift, at + 1
        if byte < 128:
            return number, at
    raise ValueError("a number has more than 64 bits")


def _read_integers(message: memoryview, wanted: int) -> Iterator[int]:
    """Integers of a repeated field, each in a field of its own or packed into one."""
    for number, value in _read_fields(message):
        if number == wanted and isinstance(value, int):
            yield value
        elif number == wanted:
            packed, at = _part(value), 0
            while at < len(packed):
                integer, at = _read_varint(packed, at)
                yield integer


def _text(message: memoryview, wanted: int) -> str:
    """The text of a field; empty if it is left out."""
    return next((_decode(_part(value)) for number, value in _read_fields(message) if number == wanted), "")


def _part(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a message must be bytes, got an integer")
    return value


def _decode(part: memoryview) -> str:
    return bytes(part).decode("utf-8")
