"""One call of a torch operation in an exported program, as the functions that recognise operators read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from nas.compression.tracing.batch import Batch
from nas.compression.tracing.constants import Constants
from search_spaces.operators.opaque import Constant
from search_spaces.operators.operator import Operator, Shape

View = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Recognized:
    """The operator that a call was recognised as.

    Attributes:
        operator: The operator.
        inputs: The nodes whose values are its inputs.
        parameters: The nodes whose values are its parameters, each with a function whose result is stored in place of
            the value, such as the transpose; None stores the value.
    """

    operator: Operator
    inputs: tuple[fx.Node, ...]
    parameters: tuple[tuple[fx.Node, View | None], ...] = ()


@dataclass(frozen=True)
class Alias:
    """A call that returns the value of `source` unchanged."""

    source: fx.Node


@dataclass(frozen=True)
class TorchCall:
    """A call with its arguments by name.

    Attributes:
        node: The node of the program that is the call.
        batch: The batch size of the program.
        constants: The values of the program that depend on no input.
        arguments: All arguments of the operation by name, with the defaults of those that are not given.
    """

    node: fx.Node
    batch: Batch
    constants: Constants
    arguments: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        arguments: dict[str, Any] = {}
        for position, argument in enumerate(self.node.target._schema.arguments):  # type: ignore[union-attr]
            given = self.node.args[position] if position < len(self.node.args) else argument.default_value
            arguments[argument.name] = self.node.kwargs.get(argument.name, given)
        object.__setattr__(self, "arguments", arguments)

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def is_stored(self, *names: str) -> bool:
        """Whether each of the named arguments is None or depends on no input."""
        return all(self[name] is None or self[name] in self.constants for name in names)

    def is_value(self, *names: str) -> bool:
        """Whether each of the named arguments is a tensor."""
        return all(isinstance(self[name], fx.Node) and is_tensor(self[name]) for name in names)

    def stored(self, name: str) -> Tensor:
        """The value of an argument that depends on no input, of any shape."""
        tensor: Tensor = self.constants.value(self[name])
        return tensor

    def present(self, *names: str) -> tuple[tuple[fx.Node, None], ...]:
        """The named arguments that are not None, as parameters of a `Recognized` that are stored as they are."""
        return tuple((self[name], None) for name in names if self[name] is not None)

    def rank(self, node: fx.Node) -> int:
        """Number of axes of a tensor, including the batch axis."""
        return len(node.meta["val"].shape)

    def shape(self, node: fx.Node) -> Shape:
        """Shape of a tensor without the batch axis."""
        if node in self.constants:
            return Constant(tuple(node.meta["val"].shape)).output_shape()
        return self.batch.without(node.meta["val"].shape)

    def axis(self, axis: int, node: fx.Node) -> int:
        """An axis counted from the end, as a negative number, which is the same with and without the batch axis.

        Args:
            axis: Index of the axis as in torch, negative if counted from the end.
            node: The tensor that has the axis.
        """
        return axis if axis < 0 else axis - self.rank(node)

    def is_batch(self, axis: int, node: fx.Node) -> bool:
        """Whether an axis is the batch axis.

        Args:
            axis: Index of the axis as in torch, negative if counted from the end.
            node: The tensor that has the axis.
        """
        return self.axis(axis, node) == -self.rank(node)


def is_tensor(node: fx.Node) -> bool:
    """Whether a node yields one tensor."""
    return isinstance(node.meta.get("val"), Tensor)


def repeat_per_axis(value: Any, axes: int) -> tuple[int, ...]:
    """One number for each axis, from an argument that may be one number for all axes.

    Args:
        value: A number, or a sequence of one number or of one for each axis.
        axes: Number of axes.
    """
    sides = [value] if isinstance(value, int) else [*value]
    return tuple(sides * axes if len(sides) == 1 else sides)
