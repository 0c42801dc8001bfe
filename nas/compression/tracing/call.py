"""One call of a torch operation in an exported program, as those who recognise it see it."""

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
    """An operator that a call was found to be.

    Attributes:
        operator: What is computed.
        inputs: The nodes whose values it reads.
        parameters: The nodes whose values it stores, and what is stored in place of each, such as its transpose.
    """

    operator: Operator
    inputs: tuple[fx.Node, ...]
    parameters: tuple[tuple[fx.Node, View | None], ...] = ()


@dataclass(frozen=True)
class Alias:
    """A call that returns what it reads."""

    source: fx.Node


@dataclass(frozen=True)
class TorchCall:
    """A call with its arguments by name.

    Attributes:
        node: Of the program.
        batch: Of the program.
        constants: Of the program.
        arguments: All arguments of the operation, with their defaults.
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
        """Whether arguments are tensors that depend on no input, or absent."""
        return all(self[name] is None or self[name] in self.constants for name in names)

    def is_value(self, *names: str) -> bool:
        """Whether arguments are tensors, none of which is absent."""
        return all(isinstance(self[name], fx.Node) and is_tensor(self[name]) for name in names)

    def stored(self, name: str) -> Tensor:
        """The value of an argument that depends on no input, of any shape."""
        tensor: Tensor = self.constants.value(self[name])
        return tensor

    def present(self, *names: str) -> tuple[tuple[fx.Node, None], ...]:
        """Those of the arguments that are there, as parameters that are stored as they are."""
        return tuple((self[name], None) for name in names if self[name] is not None)

    def rank(self, node: fx.Node) -> int:
        """Axes of a tensor, with that of the batch."""
        return len(node.meta["val"].shape)

    def shape(self, node: fx.Node) -> Shape:
        """Shape of a tensor for one input."""
        if node in self.constants:
            return Constant(tuple(node.meta["val"].shape)).output_shape()
        return self.batch.without(node.meta["val"].shape)

    def axis(self, axis: int, node: fx.Node) -> int:
        """An axis counted from the end, so that it means the same without the batch axis, which is minus the rank.

        Args:
            axis: As torch counts it, from either end.
            node: The tensor whose axis it is.
        """
        return axis if axis < 0 else axis - self.rank(node)

    def is_batch(self, axis: int, node: fx.Node) -> bool:
        """Whether an axis is that of the batch.

        Args:
            axis: As torch counts it, from either end.
            node: The tensor whose axis it is.
        """
        return self.axis(axis, node) == -self.rank(node)


def is_tensor(node: fx.Node) -> bool:
    """Whether a node yields one tensor."""
    return isinstance(node.meta.get("val"), Tensor)


def repeat_per_axis(value: Any, axes: int) -> tuple[int, ...]:
    """One number for every axis, of an argument for which torch also takes one number for all.

    Args:
        value: A number, or one or more of them.
        axes: How many axes there are.
    """
    sides = [value] if isinstance(value, int) else [*value]
    return tuple(sides * axes if len(sides) == 1 else sides)
