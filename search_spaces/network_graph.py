"""Network graphs: operators in execution order, the values that they read and the parameters that they use.

Independent of any runtime and of where a network comes from: families make the nodes, and so does tracing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from search_spaces.operators.operator import Operator, Shape, to_tuples
from search_spaces.operators.pointwise import Activation, BatchNorm
from search_spaces.operators.registry import OPERATORS
from search_spaces.operators.weighted import Convolution, Linear

_VERSION = 1  # version of the JSON form


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a network and the operator that yields it.

    Attributes:
        name: Name of the value, unique in the graph.
        operator: The operator that computes the value.
        inputs: Names of the values that the operator reads, in its order: inputs of the graph or earlier nodes.
        parameters: Names of the stored tensors that the operator uses, in the order of `operator.parameter_shapes`. A
            tensor that several nodes use has one name.
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        """Itself: networks are copied often, and what they are made of never changes."""
        return self

    @property
    def weight(self) -> str | None:
        """Name of the weight that a policy compresses, which is the first parameter; None if the operator has none."""
        return None if self.operator.weight_shape is None else self.parameters[0]


@dataclass(frozen=True, slots=True)
class Unit:
    """One call of a weight, with the nodes that a device runs fused with it.

    Attributes:
        call: The convolution, linear layer or embedding.
        norm: The batch normalisation that is the only reader of the call; None if there is none.
        activation: The activation that alone reads the normalisation, or else the call; None if there is none.
    """

    call: Node
    norm: Node | None = None
    activation: Node | None = None

    @property
    def accumulated(self) -> Node:
        """The node up to which a device accumulates: the normalisation, else the call itself."""
        return self.norm or self.call

    @property
    def rescaled(self) -> Node:
        """The node after which a device rescales its accumulators to codes: a fused ReLU, else `accumulated`."""
        absorbs = self.activation is not None and self.activation.operator == Activation("relu")
        return self.activation if self.activation is not None and absorbs else self.accumulated


@dataclass(frozen=True, slots=True)
class WeightedLayer:
    """A weight and all of its call sites: what one `LayerPolicy` is for.

    Attributes:
        name: Name of the weight without its last part `weight`: the name of the module that owns it.
        weight: Name of the parameter.
        units: The calls of the weight in execution order: two of a layer that is called twice, or of two that share it.
    """

    name: str
    weight: str
    units: tuple[Unit, ...]

    @property
    def operator(self) -> Operator:
        """The operator of the first call site."""
        return self.units[0].call.operator


@dataclass(frozen=True)
class NetworkGraph:
    """A network as a plain value: hashable, picklable, and JSON both ways.

    Attributes:
        inputs: Name and shape of every input, without the batch axis.
        nodes: The nodes, in execution order.
        outputs: Names of the values that the network returns.
        batch: The only batch size at which the network runs; None if it runs at any.

    Raises:
        ValueError: If inputs or nodes share a name, a node reads a value that no earlier node yields, a node names more
            or fewer parameters than its operator has, or there is no output or one that is no value of the graph.
    """

    inputs: tuple[tuple[str, Shape], ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    batch: int | None = None

    def __post_init__(self) -> None:
        known = {name for name, _ in self.inputs}
        if len(known) != len(self.inputs) or not self.outputs:
            raise ValueError(f"a graph needs inputs with names of their own, and outputs; got {self.inputs}")
        for node in self.nodes:
            unknown = [name for name in node.inputs if name not in known]
            if unknown or node.name in known:
                raise ValueError(f"node {node.name!r} must have a name of its own and read earlier values, got {node}")
            if len(node.parameters) != len(roles := node.operator.parameter_shapes):
                raise ValueError(f"node {node.name!r} must name its parameters {[*roles]}, got {node.parameters}")
            known.add(node.name)
        if missing := [name for name in self.outputs if name not in known]:
            raise ValueError(f"a graph can only return its values, got {missing[0]!r}")

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every value for one input, by propagation.

        Raises:
            ValueError: If an operator cannot read inputs of the shapes that it gets; the node is named.
        """
        shapes = dict(self.inputs)
        for node in self.nodes:
            try:
                shapes[node.name] = node.operator.output_shape(*(shapes[name] for name in node.inputs))
            except ValueError as error:
                raise ValueError(f"node {node.name!r}: {error}") from error
        return shapes

    @cached_property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Shape of every stored tensor, by name.

        Raises:
            ValueError: If two nodes use one tensor in different shapes.
        """
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            for name, shape in zip(node.parameters, node.operator.parameter_shapes.values(), strict=True):
                if shapes.setdefault(name, shape) != shape:
                    raise ValueError(f"parameter {name!r} must have one shape, got {shapes[name]} and {shape}")
        return shapes

    @cached_property
    def readers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read every value, in execution order."""
        readers: dict[str, list[Node]] = {name: [] for name in (*dict(self.inputs), *(n.name for n in self.nodes))}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        return {name: tuple(nodes) for name, nodes in readers.items()}

    @cached_property
    def layers(self) -> tuple[WeightedLayer, ...]:
        """The weights with their call sites, in the order of the first calls: one entry of a policy for each."""
        units: dict[str, list[Unit]] = {}
        for node in self.nodes:
            if node.weight is not None:
                units.setdefault(node.weight, []).append(self._unit(node))
        return tuple(WeightedLayer(w.removesuffix(".weight") or w, w, tuple(calls)) for w, calls in units.items())

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one input; those of opaque operators are unknown and not counted."""
        return sum(node.operator.macs(*(self.shapes[name] for name in node.inputs)) for node in self.nodes)

    @property
    def operator_counts(self) -> Counter[str]:
        """How often each operator occurs, by its name."""
        return Counter(node.operator.name for node in self.nodes)

    def to_json(self) -> str:
        """The canonical JSON text."""
        document = {
            "version": _VERSION,
            "inputs": self.inputs,
            "nodes": [
                [node.name, {"operator": node.operator.name} | node.operator.attributes(), node.inputs, node.parameters]
                for node in self.nodes
            ],
            "outputs": self.outputs,
            "batch": self.batch,
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, operators: Mapping[str, type[Operator]] = OPERATORS) -> NetworkGraph:
        """Reads what `to_json` wrote.

        Args:
            text: The text.
            operators: Those that it may have, by name.

        Raises:
            ValueError: If the text is not the JSON of a graph, or has another version.
        """
        try:
            document = json.loads(text)
            if document["version"] != _VERSION:
                raise ValueError(
                    f"the JSON of a network graph is read in version {_VERSION}, got version {document['version']!r}; "
                    "read it with the release of this program that wrote it"
                )
            nodes = tuple(_read_nodes(document["nodes"], operators))
            return cls(to_tuples(document["inputs"]), nodes, to_tuples(document["outputs"]), document["batch"])
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"not the JSON of a network graph ({error!r}): {text[:80]!r}") from error

    def _unit(self, call: Node) -> Unit:
        """A call with its normalisation and activation, as far as each is the only reader of the one before."""
        last = call
        norm = activation = None
        if (reader := self._only_reader(call)) and _normalizes_outputs(reader.operator, call.operator):
            norm = last = reader
        if (reader := self._only_reader(last)) and isinstance(reader.operator, Activation):
            activation = reader
        return Unit(call, norm, activation)

    def _only_reader(self, node: Node) -> Node | None:
        """The only node that reads a value; None if several do, or if the value is an output of the network."""
        readers = self.readers[node.name]
        return readers[0] if len(readers) == 1 and node.name not in self.outputs else None


def _normalizes_outputs(norm: Operator, layer: Operator) -> bool:
    """Whether a batch normalisation has one scale for each output channel of a layer, so it folds into the layer."""
    axes = len(layer.kernel) if isinstance(layer, Convolution) else 0
    return isinstance(norm, BatchNorm) and isinstance(layer, Convolution | Linear) and norm.axes == axes


def _read_nodes(entries: Sequence[Sequence[Any]], operators: Mapping[str, type[Operator]]) -> Iterator[Node]:
    for name, fields, inputs, parameters in entries:
        attributes = {key: to_tuples(value) for key, value in fields.items() if key != "operator"}
        operator = operators[fields["operator"]](**attributes)
        yield Node(name, operator, to_tuples(inputs), to_tuples(parameters))
