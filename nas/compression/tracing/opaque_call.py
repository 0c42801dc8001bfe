"""Opaque operators: a torch operation by name, with its arguments as JSON, from which it can be called again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from nas.compression.tracing.batch import Batch
from search_spaces.operators.opaque import Opaque
from search_spaces.operators.operator import Shape

_OF_THE_MACHINE = ("device", "layout", "memory_format", "pin_memory")  # do not change the values that are computed
# a view demands strides that the tensors of a graph may not have; a reshape gives the same values
_TARGETS = {"aten.view.default": "aten.reshape.default", "aten._unsafe_view.default": "aten.reshape.default"}


def create_opaque_operator(
    node: fx.Node, batch: Batch, shape: Shape, is_value: Callable[[fx.Node], bool]
) -> tuple[Opaque, list[fx.Node]]:
    """The opaque operator of a node, and the nodes that are its inputs.

    Args:
        node: A call of a torch operation.
        batch: The batch size of the program.
        shape: Shape of the output, without the batch axis.
        is_value: Whether a node yields a tensor, or several, and not a size.

    Raises:
        ValueError: If an argument is not a tensor, a number, a text, a type of elements or a list of these.
    """
    inputs: list[fx.Node] = []

    def write(value: Any) -> Any:
        """An argument as JSON; tensors become indices of `inputs`, and sizes multiples of the batch."""
        if isinstance(value, fx.Node) and is_value(value):
            if value not in inputs:
                inputs.append(value)
            return {"input": inputs.index(value)}
        if isinstance(value, fx.Node):
            value = value.meta["val"]
        if isinstance(value, torch.SymInt):
            times = batch.multiple(value)
            return {"batch": times} if times else int(value)
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, list | tuple):
            return [write(part) for part in value]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise ValueError(f"the arguments of an operation must be tensors and numbers, got {value!r} in {node.target}")

    named = {name: write(value) for name, value in node.kwargs.items() if name not in _OF_THE_MACHINE}
    arguments = json.dumps([[write(value) for value in node.args], named], separators=(",", ":"))
    target = str(node.target)
    return Opaque(_TARGETS.get(target, target), arguments, shape), inputs
