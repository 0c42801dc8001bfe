"""Operators for what the engine runs and exports but does not understand, and for tensors that are read as values.

An opaque node is data: the name of an operation of the runtime and its arguments. It is looked up in that runtime's
library, so a file with a graph in it can call what the library offers and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.operators.attributes import Count
from search_spaces.operators.operator import Operator, Shape, check_inputs


@dataclass(frozen=True, slots=True)
class Opaque(Operator):
    """A call of a torch operation. It runs at full precision, and its MACs are unknown and counted as 0.

    Attributes:
        target: The operation with its overload, such as `aten.cumsum.default`.
        arguments: JSON of [positional arguments, arguments by name]. `{"input": 0}` stands for the first input of the
            node, `{"batch": 2}` for twice the batch size, `{"dtype": "int64"}` for a type.
        shape: Shape of the output for one input; () for an operation with several outputs, whose shapes `Item`s state.
    """

    name: ClassVar[str] = "opaque"
    target: str
    arguments: str
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:  # noqa: ARG002 whatever they are
        return self.shape


@dataclass(frozen=True, slots=True)
class Item(Operator):
    """One output of an opaque operation that has several.

    Attributes:
        index: Index of the output among those of the operation.
        shape: Shape of the output for one input.
    """

    name: ClassVar[str] = "item"
    index: Count
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(len(inputs) == 1, self, "one value", inputs)
        return self.shape


@dataclass(frozen=True, slots=True)
class Constant(Operator):
    """A stored tensor that is read as a value, the same for every input: a positional encoding, a mask.

    Attributes:
        shape: Shape of the stored tensor. Leading axes of size 1 stand in place of the batch axis, and are no part of
            the output shape.
    """

    name: ClassVar[str] = "constant"
    shape: Shape

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return {"value": self.shape}

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(not inputs, self, "nothing", inputs)
        leading = next((axis for axis, side in enumerate(self.shape) if side != 1), len(self.shape))
        return self.shape[leading:]
