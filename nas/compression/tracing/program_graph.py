"""Reads a functional exported program into a network graph."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from nas.compression.tracing.arrangement_recognition import recognize_split_output
from nas.compression.tracing.batch import Batch
from nas.compression.tracing.call import Alias, Recognized, TorchCall
from nas.compression.tracing.constants import Constants
from nas.compression.tracing.opaque_call import create_opaque_operator
from nas.compression.tracing.padding import fold_padding
from nas.compression.tracing.recognition import recognize
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.opaque import Constant, Item
from search_spaces.operators.operator import Operator, Shape

_SPLITS = ("split.Tensor", "split_with_sizes.default", "chunk.default")


def read_program(program: ExportedProgram) -> tuple[NetworkGraph, dict[str, Tensor]]:
    """The graph of a program, and its stored tensors of any shapes by name.

    Args:
        program: The result of `run_decompositions({})`, which is functional.

    Raises:
        ValueError: If the program changes stored tensors or inputs, or a shape depends on the batch size in another way
            than as a multiple.
    """
    reader = _Reader(program)
    for node in program.graph.nodes:
        if node.op == "call_function":
            reader.read(node)
    graph, tensors = fold_padding(reader.graph()), reader.constants.parameters
    names = _final_names([*graph.parameter_shapes], reader.constants.derived)
    nodes = (replace(node, parameters=tuple(names[name] for name in node.parameters)) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes)), {names[name]: tensors[name] for name in graph.parameter_shapes}


class _Reader:
    """Reads the calls of a program in their order.

    Args:
        program: A functional program.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        signature = program.graph_signature
        changed = {*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()}
        if changed:
            raise ValueError(f"a network must leave its tensors as they are in evaluation, it changes {min(changed)!r}")
        given = {spec.arg.name for spec in signature.input_specs if spec.kind == InputKind.USER_INPUT}
        inputs = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in given]
        self._inputs = [node for node in inputs if isinstance(node.meta.get("val"), Tensor)]
        self.batch = Batch.from_inputs(node.meta["val"] for node in self._inputs)
        self.constants = Constants(program)
        self._names = {node: node.name for node in self._inputs}
        self._nodes: dict[str, Node] = {}
        self._split: set[fx.Node] = set()
        self._stored: dict[str, str] = {}  # nodes that yield stored tensors, by name of the tensor

    def read(self, node: fx.Node) -> None:
        """Adds a node for a call, unless the call is a constant, a size, a check or an alias of its input."""
        value = node.meta.get("val")
        if (
            self.constants.fold(node)
            or value is None
            or isinstance(value, torch.SymInt | torch.SymBool | int | float | bool)
        ):
            return
        if node.target is operator.getitem:
            self._read_item(node)
            return
        call = TorchCall(node, self.batch, self.constants)
        if str(node.target).removeprefix("aten.") in _SPLITS and recognize_split_output(call, call["self"], 0):
            self._split.add(node)
            return
        found = recognize(call)
        if isinstance(found, Alias):
            self._names[node] = self._value(found.source)
        elif isinstance(found, Recognized):
            self._add_recognized(node, found)
        else:
            self._add_opaque(node)

    def graph(self) -> NetworkGraph:
        """The graph of all calls that were read and that the outputs depend on."""
        specs = self._program.graph_signature.output_specs
        returned = {
            spec.arg.name for spec in specs if spec.kind == OutputKind.USER_OUTPUT and hasattr(spec.arg, "name")
        }
        (last,) = (node for node in self._program.graph.nodes if node.op == "output")
        leaves = [node for node in pytree.tree_leaves(last.args) if isinstance(node, fx.Node)]  # may repeat a node
        tensors = [node for node in leaves if node.name in returned and _yields_tensor(node)]
        outputs = tuple(self._value(node) for node in tensors)
        inputs = tuple((node.name, self.batch.without(node.meta["val"].shape)) for node in self._inputs)
        nodes = tuple(_needed([*self._nodes.values()], outputs))
        return NetworkGraph(inputs, nodes, outputs, None if self.batch.symbols else self.batch.size)

    def _read_item(self, node: fx.Node) -> None:
        """Adds a node for one of several outputs: of a split, of an opaque node or of a norm."""
        source, index = node.args
        assert isinstance(source, fx.Node)
        assert isinstance(index, int)
        if source in self._split:
            call = TorchCall(source, self.batch, self.constants)
            found = recognize_split_output(call, call["self"], index)
            assert found is not None
            self._add_recognized(node, found)
            return
        producer = self._nodes[self._names[source]].operator
        if producer.name == "opaque":
            self._add(node, Item(index, self._shape(node)), [source])
        elif index == 0:  # the other outputs of a norm are only for its gradient
            self._names[node] = self._names[source]

    def _add_recognized(self, node: fx.Node, found: Recognized) -> None:
        parameters = tuple(self.constants.name(read, view) for read, view in found.parameters)
        self._add(node, found.operator, found.inputs, parameters)

    def _add_opaque(self, node: fx.Node) -> None:
        one = isinstance(node.meta["val"], Tensor)
        found, inputs = create_opaque_operator(node, self.batch, self._shape(node) if one else (), _yields_tensor)
        self._add(node, found, inputs)

    def _add(self, node: fx.Node, found: Operator, inputs: Sequence[fx.Node], parameters: tuple[str, ...] = ()) -> None:
        read = tuple(map(self._value, inputs))
        self._names[node] = node.name
        self._nodes[node.name] = Node(node.name, found, read, parameters)

    def _value(self, node: fx.Node) -> str:
        """The name of a value in the graph; a stored tensor that is an input of a node gets a node of its own."""
        if node not in self.constants:
            return self._names[node]
        parameter = self.constants.name(node)
        if parameter not in self._stored:
            operator = Constant(tuple(self.constants.value(node).shape))
            self._nodes[node.name] = Node(node.name, operator, (), (parameter,))
            self._stored[parameter] = node.name
        return self._stored[parameter]

    def _shape(self, node: fx.Node) -> Shape:
        return self.batch.without(node.meta["val"].shape)


def _final_names(used: Sequence[str], derived: Mapping[str, str]) -> dict[str, str]:
    """Final names by present ones: a computed tensor gets the name of its origin, with a number if that is taken."""
    taken = {name for name in used if name not in derived}
    names = {name: name for name in taken}
    for name in used:
        if name in derived:
            origin = derived[name]
            numbered = (f"{origin}.{number}" for number in count(2))
            names[name] = next(final for final in chain([origin], numbered) if final not in taken)
            taken.add(names[name])
    return names


def _yields_tensor(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and any(isinstance(v, Tensor) for v in value))


def _needed(nodes: list[Node], outputs: Sequence[str]) -> Iterator[Node]:
    """The nodes that the outputs depend on, in the given order."""
    needed = {*outputs}
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return (node for node in nodes if node.name in needed)
