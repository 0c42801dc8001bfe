"""Choices of a space, the genes that stand for them, and what all of its networks have outside their layers.

Independent of families and of gene arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

Value = int | float | str


@dataclass(frozen=True)
class Choice:
    """One choice of a space: its name and the values to choose from, in order. A gene is an index into them.

    Attributes:
        name: Unique within the space.
        values: Distinct values; sizes rise.
        active_when: The choice it depends on, and the values of that choice under which it is active; None is always.

    Raises:
        ValueError: If there is no value, or one twice.
    """

    name: str
    values: tuple[Value, ...]
    active_when: tuple[str, tuple[Value, ...]] | None = None

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise ValueError(f"choice {self.name!r} needs one or more distinct values, got {self.values}")


@dataclass(frozen=True)
class Gene:
    """One gene of a space of architectures, or of a joint space.

    Attributes:
        name: A choice of the architecture, or the slot and `.policy`.
        values: The values that it chooses from by their index.
        is_policy: Whether it chooses the policy of a layer.
    """

    name: str
    values: tuple[Value, ...]
    is_policy: bool

    @property
    def dimension(self) -> str:
        """What it makes elastic, such as `kernel` or `policy`: the last part of its name."""
        return self.name.rpartition(".")[2]

    @property
    def is_ordered(self) -> bool:
        """Whether it chooses among sizes, which rise with its index; names of operators and policies have no order."""
        return not self.is_policy and all(isinstance(value, int | float) for value in self.values)


@dataclass(frozen=True, slots=True)
class NonLayerCosts:
    """What every network of a space stores and computes outside its layers, whatever its genes.

    Attributes:
        parameters: Trainable elements, such as those of layer norms and positional encodings.
        bytes: Size of these, and of masks and other stored numbers that are not trained.
        macs: Multiply-accumulate operations of two activations for one input, such as those of attention.
    """

    parameters: int = 0
    bytes: int = 0
    macs: int = 0
