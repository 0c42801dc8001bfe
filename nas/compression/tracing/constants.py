"""The values in an exported program that depend on no input: its parameters, and values computed from them alone.

Such values are computed once. Tensors with the same storage, shape and strides have one name, so a tied weight that is
transposed twice is recognised as the weight itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind


class Constants:
    """The values of the nodes of a program that depend on no input.

    Args:
        program: A functional program.

    Attributes:
        parameters: The tensors for which `name` was called, by their names.
        derived: For each of these that was computed, by its name, the parameter that it was computed from; `constant`
            if there is none.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self.parameters: dict[str, Tensor] = {}
        self.derived: dict[str, str] = {}
        self._values: dict[fx.Node, Any] = {}
        self._origins: dict[fx.Node, str] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        stored = {**program.constants, **program.state_dict}
        targets = {
            spec.arg.name: spec.target
            for spec in program.graph_signature.input_specs
            if spec.kind != InputKind.USER_INPUT
        }
        for node in program.graph.nodes:
            if node.op == "placeholder" and (target := targets.get(node.name)) is not None:
                self._values[node] = stored[target]
                self._origins[node] = target
                self._known.setdefault(_identity(stored[target]), target)

    def __contains__(self, node: fx.Node) -> bool:
        return node in self._values

    def value(self, node: fx.Node) -> Any:
        """The value of a node that depends on no input."""
        return self._values[node]

    def fold(self, node: fx.Node) -> bool:
        """Computes the value of a node if it depends on no input and is not random; returns whether it did."""
        if not callable(node.target) or _is_random(node.target) or _is_symbolic(node.meta.get("val")):
            return False
        if any(read not in self._values for read in node.all_input_nodes):
            return False
        arguments, named = fx.node.map_arg((node.args, node.kwargs), self.value)
        self._values[node] = node.target(*arguments, **named)
        origins = [self._origins[read] for read in node.all_input_nodes if read in self._origins]
        if origins:
            self._origins[node] = origins[0]
        return True

    def name(self, node: fx.Node, view: Callable[[Tensor], Tensor] | None = None) -> str:
        """The name of the value of a node: that of the parameter if it is one, else a new name.

        Args:
            node: A node that depends on no input, whose value is a tensor of any shape.
            view: A function whose result is stored in place of the value, such as the transpose; None for the value.
        """
        tensor = self._values[node] if view is None else view(self._values[node])
        identity = _identity(tensor)
        if identity not in self._known:
            self._known[identity] = f"derived {len(self.derived)}"
            self.derived[self._known[identity]] = self._origins.get(node, "constant")
        name = self._known[identity]
        if name not in self.parameters:
            self.parameters[name] = self._stored(node, tensor)
        return name

    def _stored(self, node: fx.Node, tensor: Tensor) -> Tensor:
        """The tensor to store: a parameter as it is, else a detached one, trainable if a parameter was its origin."""
        if tensor is self._values[node] and node.op == "placeholder":
            return tensor
        kept = tensor.detach()
        return nn.Parameter(kept) if kept.is_floating_point() and node in self._origins else kept


def _identity(tensor: Tensor) -> tuple[Any, ...]:
    """A key that is equal for tensors of the same storage, type, shape and strides."""
    if tensor.numel() == 0:
        return (id(tensor),)
    return (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())


def _is_random(target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())


def _is_symbolic(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_symbolic, value))
    sizes = value.shape if isinstance(value, Tensor) else (value,)
    return any(isinstance(size, torch.SymInt | torch.SymFloat | torch.SymBool) for size in sizes)
