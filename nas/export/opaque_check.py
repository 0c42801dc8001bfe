"""Runs a graph without numbers, to see that its opaque nodes can be called and give what the graph states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from nas.compression.tracing.quantized_graph import Quantize
from search_spaces.elastic.opaque_calls import call_opaque
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.opaque import Item, Opaque
from search_spaces.operators.operator import Shape
from search_spaces.quoting import cut, describe_error, quote_name

_NOWHERE: Final = torch.device("meta")  # where tensors have a shape and a type alone
_BATCH: Final = 7  # of networks that run at any: a number that few other axes have
_TYPES: Final = (torch.float32, torch.int64)  # of inputs, which a graph does not state: images or tokens
_MOST_QUOTED: Final = 200  # characters of arguments


def check_opaque_calls(graph: NetworkGraph, tensors: Mapping[str, Tensor]) -> None:
    """Refuses a graph whose opaque nodes cannot be called with the arguments that they have, or give other shapes.

    Nodes run on tensors that have a shape and a type, but no numbers: nothing is computed, and no memory is taken. What
    depends on numbers, such as an index that is too large, is not found. A graph without opaque nodes is not run, as
    its shapes say enough.

    Args:
        graph: The graph, with or without nodes that round activations.
        tensors: Its stored tensors by name, of the shapes that the graph states.

    Raises:
        ValueError: If a node cannot be run; it is named.
    """
    if not any(isinstance(node.operator, Opaque) for node in graph.nodes):
        return
    place = {node.name: index for index, node in enumerate(graph.nodes)}
    failures: list[tuple[Node, Exception]] = []
    for kind in _TYPES:
        with torch.no_grad():
            failure = _run(graph, tensors, kind)
        if failure is None:
            return
        failures.append(failure)
    # inputs of the wrong type fail no later than those of the right one
    node, error = max(failures, key=lambda failure: place[failure[0].name])
    raise ValueError(f"node {quote_name(node.name)}{_describe(node)} cannot be run: {describe_error(error)}") from error


def _run(graph: NetworkGraph, tensors: Mapping[str, Tensor], kind: torch.dtype) -> tuple[Node, Exception] | None:
    """The first node that cannot be run for inputs of a type, and why; None if all can be."""
    batch = _BATCH if graph.batch is None else graph.batch
    values: dict[str, Any] = {
        name: torch.empty(batch, *shape, dtype=kind, device=_NOWHERE) for name, shape in graph.inputs
    }
    stored = {name: tensor.to(_NOWHERE) for name, tensor in tensors.items()}
    for node in graph.nodes:
        try:
            values[node.name] = _value(node, [values[name] for name in node.inputs], stored, batch)
        except Exception as error:  # torch raises any error
            return node, error
    return None


def _value(node: Node, inputs: Sequence[Any], stored: Mapping[str, Tensor], batch: int) -> Any:
    """The value of a node; ValueError if it has another shape than the graph states."""
    if isinstance(node.operator, Quantize):
        return inputs[0]
    if not isinstance(node.operator, Opaque):
        value = run_operator(node.operator, inputs, [stored[name] for name in node.parameters])
        return _check_shape(value, node.operator.shape, batch) if isinstance(node.operator, Item) else value
    value = call_opaque(node.operator, inputs, batch=batch, device=_NOWHERE)
    return _check_shape(value, node.operator.shape, batch) if isinstance(value, Tensor) else value


def _check_shape(value: Tensor, shape: Shape, batch: int) -> Tensor:
    """Returns a value of the shape that a graph states: behind the batch axis, or as it is, with multiples of it."""
    sides = tuple(value.shape)
    multiples = len(sides) == len(shape) and all(
        side in (one, one * batch) for side, one in zip(sides, shape, strict=True)
    )
    if not multiples and sides != (batch, *shape):
        raise ValueError(f"for a batch of {batch} its value has the shape {sides}, and the graph states {shape}")
    return value


def _describe(node: Node) -> str:
    """What an opaque node calls; empty for others."""
    if not isinstance(node.operator, Opaque):
        return ""
    return f", {quote_name(node.operator.target)} of {quote_name(cut(node.operator.arguments, _MOST_QUOTED))},"
