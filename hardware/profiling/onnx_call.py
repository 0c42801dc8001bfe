"""The argument of the ONNX form of an operator: one node of a network, and the graph that it is written into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from search_spaces.operators.operator import Operator, Shape


class OnnxBuilder(Protocol):
    """A graph to which nodes and constants are added."""

    def node(self, op: str, inputs: list[str], attributes: dict[str, Any] | None = None) -> str:
        """Adds a node with one output and returns the name of that output.

        Args:
            op: Type of the node, such as `Conv`.
            inputs: Names of the values that it reads.
            attributes: Attributes of the node, by name.
        """

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """Adds a constant of any shape and returns its name."""


Kind = TypeVar("Kind", bound=Operator, covariant=True)


@dataclass(frozen=True)
class Call(Generic[Kind]):
    """One node of a network that is to be written.

    Attributes:
        builder: The graph that it is written into.
        operator: The operator of the node.
        inputs: Names of the values that the node reads, each of shape (batch, ...).
        parameters: Names of its stored tensors, in the order of `operator.parameter_shapes`.
        shapes: Shapes of the inputs, without the batch axis.
    """

    builder: OnnxBuilder
    operator: Kind
    inputs: Sequence[str]
    parameters: Sequence[str]
    shapes: Sequence[Shape]

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node and returns the name of its output.

        Args:
            op: Type of the node, such as `Conv`.
            inputs: Names of the values that it reads.
            attributes: Attributes of the node, by name.
        """
        return self.builder.node(op, [*inputs], attributes)

    def integers(self, *values: int) -> str:
        """Adds a list of integers as a constant, and returns its name."""
        return self.builder.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Adds one number as a constant, and returns its name."""
        return self.builder.constant(np.float32(value))

    def filled(self, shape: Shape, value: float) -> str:
        """Adds a constant of equal numbers, and returns its name.

        Args:
            shape: Shape of the constant.
            value: Value of each of its elements.
        """
        return self.builder.constant(np.full(shape, value, np.float32))
