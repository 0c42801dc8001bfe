"""What an allocator is asked: choices of layers, their damage, and budgets on what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite

import numpy as np

from search_spaces.additive_cost import FloatArray

PerLayer = tuple[FloatArray, ...]


def sum_chosen(values: PerLayer, chosen: Sequence[int]) -> float:
    """The sum over layers of the value of the choice that each took.

    It is rounded once, at the end, so the order of the layers does not matter.

    Args:
        values: Of the choices of every layer, each of shape (choices of the layer,).
        chosen: The number of the choice of every layer.
    """
    return fsum(float(known[choice]) for known, choice in zip(values, chosen, strict=True))


@dataclass(frozen=True, eq=False)
class Budget:
    """The most that all layers together may cost.

    Attributes:
        name: Of the cost, such as `weight_bytes`.
        costs: Of the choices of every layer, each of shape (choices of the layer,).
        most: In the same unit.
    """

    name: str
    costs: PerLayer
    most: float


@dataclass(frozen=True, eq=False)
class AllocationProblem:
    """A multiple-choice knapsack: one choice for each layer.

    Attributes:
        damage: What is to be least, of the choices of every layer, each of shape (choices of the layer,).
        budgets: What is to be kept; there may be none.

    Raises:
        ValueError: If there is no layer, one has no choice, a budget is for other choices, or anything is not finite.
    """

    damage: PerLayer
    budgets: tuple[Budget, ...] = ()

    def __post_init__(self) -> None:
        shapes = [known.shape for known in self.damage]
        if not shapes or any(len(shape) != 1 or shape == (0,) for shape in shapes):
            raise ValueError(f"one or more layers need a row of one or more choices each, got shapes {shapes}")
        _check_finite("damage", self.damage)
        for budget in self.budgets:
            if [known.shape for known in budget.costs] != shapes:
                found = [known.shape for known in budget.costs]
                raise ValueError(f"{budget.name} must be priced for the choices of all layers, {shapes}, got {found}")
            _check_finite(budget.name, budget.costs)
            if not isfinite(budget.most):
                raise ValueError(f"the budget of {budget.name} must be finite, got {budget.most}; leave it out")

    def excesses(self, chosen: Sequence[int]) -> dict[str, float]:
        """By how much an allocation exceeds each budget that it exceeds, by name; empty if it keeps all."""
        over = {budget.name: sum_chosen(budget.costs, chosen) - budget.most for budget in self.budgets}
        return {name: excess for name, excess in over.items() if excess > 0}


def _check_finite(name: str, values: PerLayer) -> None:
    for layer, known in enumerate(values):
        if not np.isfinite(known).all():
            raise ValueError(f"{name} of the choices of layer {layer} must be finite, got {known}")
