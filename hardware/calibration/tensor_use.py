"""Uses of tensors: how a tensor between layers is made and read, which decides the conversions that a runtime adds.

Where an integer layer follows a floating-point one, or the other way round, a runtime quantises, dequantises and
changes the layout of the tensor between them. What it does depends on the node that makes the tensor and on the nodes
that read it, and hardly on anything farther away: both together are the *use* of the tensor. A use is a readable value,
such as

    int8 -> 2 int8, 1 pool, 1 add(float; 1 float, 1 add)

of an integer layer whose output is read by two integer layers, a pooling, and an addition whose other input comes from
a floating-point layer and whose sum is read by a floating-point layer and one more addition.

Independent of costs, spaces and runtimes, and of which kinds of nodes there are: `add` or `softmax` are but names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.quoting import quote

_MOST_READERS = 10_000  # of one tensor: a text that says more would be expanded into gigabytes
FLOAT, LAYER = "float", "layer"
_FUSED = (None, RELU)  # activations that an integer kernel applies itself, by the range of its output codes
_CLASS = re.compile(r"(?P<format>\w+)(?: (?P<kind>\w+))?(?P<activated>\+activation)?")
_PRODUCER = re.compile(r"(?P<kind>\w+)\((?P<inputs>[^()]+)\)")
_READER = re.compile(r"(?P<count>[0-9]{1,9}) (?P<label>\w+)(?:\((?P<partners>[^();]*)(?:; (?P<beyond>[^();]*))?\))?")


@dataclass(frozen=True, slots=True, order=True)
class NodeClass:
    """What a use records of a node: what it does, and the format in which it computes.

    Attributes:
        kind: Name of the operation: `layer`, `add`, `pool` and so on.
        format: Number format in which it computes, such as `float` or `int8`.
        activated: Whether an integer layer is followed by an activation in floating point.

    Raises:
        ValueError: If kind or format is not a single word.
    """

    kind: str
    format: str
    activated: bool = False

    def __post_init__(self) -> None:
        if not (re.fullmatch(r"\w+", self.kind) and re.fullmatch(r"\w+", self.format)):
            raise ValueError(f"kind and format of a node must be single words, got {self.kind!r} and {self.format!r}")

    @classmethod
    def from_layer(cls, layer: LayerSpec, policy: LayerPolicy) -> NodeClass:
        """The class of a layer: its format is `int8` of w8a8 and `w7a8` where a device executes that otherwise.

        Args:
            layer: The layer.
            policy: The policy as which a device executes the layer.
        """
        if policy.activation_bits == FULL_PRECISION_BITS:
            return cls(LAYER, FLOAT)
        numbers = f"int{policy.activation_bits}" if policy.weight_bits == policy.activation_bits else str(policy)
        return cls(LAYER, numbers, layer.activation not in _FUSED)

    @classmethod
    def from_inputs(cls, kind: str, inputs: Iterable[NodeClass]) -> NodeClass:
        """The class of a node without weights: it computes on integers if one of its inputs does.

        Args:
            kind: Name of the operation, such as `add`.
            inputs: Classes of the nodes that it reads.
        """
        return cls(kind, next((node.format for node in inputs if node.format != FLOAT), FLOAT))

    @classmethod
    def parse(cls, text: str) -> NodeClass:
        """Reads what `str` wrote.

        Raises:
            ValueError: If the text is not like `int8`, `int8+activation` or `float add`.
        """
        match = _match(_CLASS, text, "a node is written like 'int8', 'int8+activation' or 'float add'")
        return cls(match["kind"] or LAYER, match["format"], match["activated"] is not None)

    def __str__(self) -> str:
        kind = "" if self.kind == LAYER else f" {self.kind}"
        return f"{self.format}{kind}{'+activation' if self.activated else ''}"

    @property
    def as_reader(self) -> str:
        """How it is recorded among the readers of a tensor: a layer by its format, another node by its kind.

        The format of a node without weights follows from its inputs, and would add nothing.
        """
        return self.format if self.kind == LAYER else self.kind


@dataclass(frozen=True, slots=True)
class Producer:
    """The node that makes a tensor.

    Attributes:
        node: Class of the node.
        inputs: Classes of the nodes that it reads; empty for a layer.

    Raises:
        ValueError: If the format of the class is not the one that follows from the inputs.
    """

    node: NodeClass
    inputs: tuple[NodeClass, ...] = ()

    def __post_init__(self) -> None:
        if self.inputs and self.node != NodeClass.from_inputs(self.node.kind, self.inputs):
            raise ValueError(f"{self.node} cannot be made of {_joined(self.inputs)}")

    @classmethod
    def from_inputs(cls, kind: str, inputs: Sequence[NodeClass]) -> Producer:
        """A node without weights.

        Args:
            kind: Name of the operation, such as `add`.
            inputs: Classes of the nodes that it reads, in order.
        """
        return cls(NodeClass.from_inputs(kind, inputs), tuple(inputs))

    @classmethod
    def parse(cls, text: str) -> Producer:
        """Reads what `str` wrote.

        Raises:
            ValueError: If the text is neither a class of a node nor like `add(float, int8)`.
        """
        match = _PRODUCER.fullmatch(text)
        if match is None:
            return cls(NodeClass.parse(text))
        return cls.from_inputs(match["kind"], [NodeClass.parse(part) for part in match["inputs"].split(", ")])

    def __str__(self) -> str:
        return f"{self.node.kind}({_joined(self.inputs)})" if self.inputs else str(self.node)


@dataclass(frozen=True, slots=True, order=True)
class Reader:
    """A node that reads a tensor.

    Attributes:
        label: Label of the node, see `NodeClass.as_reader`.
        partners: Classes of the nodes of its other inputs, in order.
        beyond: Labels of the nodes that read its output, sorted. They are recorded only if it has partners, since two
            number formats may then meet at it.

    Raises:
        ValueError: If there are labels in `beyond`, but no partners.
    """

    label: str
    partners: tuple[NodeClass, ...] = ()
    beyond: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.beyond and not self.partners:
            raise ValueError(f"readers beyond {self.label!r} are recorded only of nodes with several inputs")

    @classmethod
    def from_node(cls, label: str, partners: Sequence[NodeClass], beyond: Iterable[Reader]) -> Reader:
        """A node as a reader; without partners, the readers of its output are left out.

        Args:
            label: Label of the node, see `NodeClass.as_reader`.
            partners: Classes of the nodes of its other inputs, in order.
            beyond: The readers of its output.
        """
        return cls(label, tuple(partners), tuple(sorted(reader.label for reader in beyond)) if partners else ())

    def __str__(self) -> str:
        beyond = f"; {_counted(self.beyond)}" if self.beyond else ""
        return f"{self.label}({_joined(self.partners)}{beyond})" if self.partners else self.label


@dataclass(frozen=True, slots=True)
class TensorUse:
    """How a tensor is made and read.

    Attributes:
        producer: The node that makes it.
        readers: The nodes that read it, sorted; equal ones are repeated.
    """

    producer: Producer
    readers: tuple[Reader, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "readers", tuple(sorted(self.readers)))

    @classmethod
    def parse(cls, text: str) -> TensorUse:
        """Reads what `str` wrote.

        Raises:
            ValueError: If the producer or a reader is not written as `str` writes it.
        """
        producer, arrow, readers = text.partition(" -> ")
        return cls(Producer.parse(producer), tuple(_parse_readers(readers)) if arrow else ())

    def __str__(self) -> str:
        return f"{self.producer} -> {_counted(self.readers)}" if self.readers else str(self.producer)


def _counted(things: Sequence[object]) -> str:
    """Equal things with their count, such as `2 int8, 1 pool`."""
    return ", ".join(f"{count} {text}" for text, count in Counter(map(str, things)).items())


def _joined(classes: Sequence[NodeClass]) -> str:
    return ", ".join(map(str, classes))


def _parse_readers(text: str) -> list[Reader]:
    """The readers of a text such as `2 int8, 1 add(float; 1 int8)`."""
    readers: list[Reader] = []
    for part in _split_outside(text):
        match = _match(_READER, part, "a reader is written like '2 int8' or '1 add(float; 1 int8)'")
        if not 1 <= int(match["count"]) <= _MOST_READERS:
            raise ValueError(f"a tensor has from 1 to {_MOST_READERS:,} readers of a kind, got {quote(part)}")
        partners = tuple(NodeClass.parse(one) for one in match["partners"].split(", ")) if match["partners"] else ()
        beyond = tuple(reader.label for reader in _parse_readers(match["beyond"])) if match["beyond"] else ()
        readers += [Reader(match["label"], partners, beyond)] * int(match["count"])
    return readers


def _split_outside(text: str) -> list[str]:
    """The parts of a text between its commas, but for those within parentheses."""
    parts, depth, begin = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and text.startswith(", ", at):
            parts.append(text[begin:at])
            begin = at + 2
    return [*parts, text[begin:]]


def _match(pattern: re.Pattern[str], text: str, rule: str) -> re.Match[str]:
    if (match := pattern.fullmatch(text)) is None:
        raise ValueError(f"{rule}, got {quote(text)}")
    return match
