"""Choices of a space, the genes that stand for them, and what all of its networks have outside their layers.

Independent of families and of gene arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Value = int | float | str


@dataclass(frozen=True)
class Choice:
    """One choice of a space: its name and the values to choose from, in order. A gene is an index into them.

    Attributes:
        name: Unique within the space.
        values: Distinct values; sizes are listed in rising order, so that the last one makes the largest network.
        active_when: Name of the choice that this one depends on, and the values of that choice under which this one is
            active; None if it is always active.

    Raises:
        ValueError: If there is no value, or a value is listed twice.
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
        name: Name of a choice of the architecture, or of a slot followed by `.policy`.
        values: The values of the choice; the gene is an index into them.
        is_policy: Whether the gene chooses the policy of a layer.
    """

    name: str
    values: tuple[Value, ...]
    is_policy: bool

    @property
    def dimension(self) -> str:
        """The kind of choice, such as `kernel` or `policy`: the last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def is_ordered(self) -> bool:
        """Whether its values are sizes, which rise with their index; operators and policies have no order."""
        return not self.is_policy and all(isinstance(value, int | float) for value in self.values)


@dataclass(frozen=True, slots=True)
class NonLayerCosts:
    """What networks of a space store and compute outside their layers.

    Attributes:
        parameters: Trainable elements, such as those of layer norms and positional encodings.
        bytes: Size of these parameters, and of masks and other stored tensors that are not trained.
        macs: Multiply-accumulate operations between two activations for one input, such as those of attention.
    """

    parameters: int = 0
    bytes: int = 0
    macs: int = 0


@dataclass(frozen=True)
class NonLayerSlot:
    """What networks store and compute outside their layers, as far as a few genes decide it.

    Attributes:
        genes: Names of the choices that `costs` reads.
        costs: Function of the values of these choices, in that order.
    """

    genes: tuple[str, ...]
    costs: Callable[[Sequence[Value]], NonLayerCosts]
