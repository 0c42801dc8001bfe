"""What every operator states of itself, and how it is written as text.

Independent of any runtime: how an operator runs in torch or ONNX stands in a table of that runtime.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, ClassVar, Self

from search_spaces.operators.attributes import Count, check_attributes

Shape = tuple[Count, ...]


class Operator(ABC):
    """One operation of a network: a frozen value of attributes, in which equal means the same computation.

    A subclass is a frozen dataclass whose fields are numbers, texts, None or (nested) tuples of them, as their
    annotations say (see `attributes`). Shapes are those of one input, without the batch axis. Axes count from the end,
    so that they are the same with a batch axis.

    Attributes:
        name: Name of the class in the registry, in texts of operators and in files.

    Raises:
        ValueError: If an attribute is not what its annotation says.
    """

    __slots__ = ()
    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_attributes(self)

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        """Itself: networks are copied often, and what they are made of never changes."""
        return self

    @abstractmethod
    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output for the shapes of the inputs.

        Raises:
            ValueError: If the operator cannot read inputs of these shapes.
        """

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        """The stored tensors that a node of this operator uses, by role and in the order in which nodes name them."""
        return {}

    @property
    def weight_shape(self) -> Shape | None:
        """Shape of the weight that a policy compresses, output channels first; None if there is none."""
        return None

    @property
    def weights(self) -> int:
        """Number of elements of the weight that a policy compresses; 0 if there is none."""
        return 0 if self.weight_shape is None else math.prod(self.weight_shape)

    @property
    def parameters(self) -> int:
        """Number of trainable elements: those of weight, bias, scale and shift."""
        return sum(math.prod(shape) for role, shape in self.parameter_shapes.items() if role not in STATISTICS)

    def macs(self, *inputs: Shape) -> int:  # noqa: ARG002 most operators multiply nothing
        """Multiply-accumulate operations for one input; additions, norms and activations are not counted."""
        return 0

    def attributes(self) -> dict[str, Any]:
        """The attributes by name, without those that have their default: a new attribute changes no old text."""
        values = {}
        for field in fields(self):  # type: ignore[arg-type] # every subclass is a dataclass
            value = getattr(self, field.name)
            if field.default is MISSING or value != field.default:
                values[field.name] = value
        return values

    def __str__(self) -> str:
        """The canonical text, such as `linear in_features=8 out_features=4`; `parse_operator` reads it."""
        return " ".join([self.name, *(f"{name}={_to_text(value)}" for name, value in self.attributes().items())])


STATISTICS = ("mean", "variance")  # roles of stored tensors that are measured on data, not trained


def parse_attribute(text: str) -> Any:
    """Reads the value of one attribute, as `str` of an operator writes it."""
    return to_tuples(json.loads(text))


def to_tuples(value: Any) -> Any:
    """A value of JSON with tuples for its lists, so that it can be hashed."""
    return tuple(map(to_tuples, value)) if isinstance(value, list | tuple) else value


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape to which shapes are broadcast, aligned at their last axes.

    Raises:
        ValueError: If two of them differ in an axis where neither is 1.
    """
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    sides = []
    for column in zip(*aligned, strict=True):
        if len(wide := {side for side in column if side != 1}) > 1:
            raise ValueError(f"shapes must be equal or 1 in every axis to be broadcast, got {shapes}")
        sides.append(wide.pop() if wide else 1)
    return tuple(sides)


def check_inputs(fits: bool, operator: Operator, wanted: str, inputs: tuple[Shape, ...]) -> None:
    """Refuses inputs that an operator cannot read, with the one message for it.

    Args:
        fits: Whether the operator can read the inputs.
        operator: The operator.
        wanted: What the operator reads, in words.
        inputs: Shapes of the inputs.

    Raises:
        ValueError: If `fits` is False.
    """
    if not fits:
        raise ValueError(f"operator {operator.name} reads {wanted}, got {', '.join(map(str, inputs)) or 'nothing'}")


def _to_text(value: Any) -> str:
    """The value of one attribute as compact JSON without spaces; the inverse of `parse_attribute`."""
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020")  # a plain space ends an attribute
