"""The problem that an allocator solves: the policies of each layer, their damage, and budgets on their costs.

The policies of a layer are called its choices, and are numbered from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite

import numpy as np

from search_spaces.additive_cost import FloatArray

PerLayer = tuple[FloatArray, ...]


def sum_chosen(values: PerLayer, chosen: Sequence[int]) -> float:
    """The sum over all layers of the value of the chosen policy.

    The sum is rounded once, at the end, so the order of the layers does not matter.

    Args:
        values: For each layer the values of its choices, shape (choices of the layer,).
        chosen: For each layer the index of the chosen policy among its choices.
    """
    return fsum(float(known[choice]) for known, choice in zip(values, chosen, strict=True))


@dataclass(frozen=True, eq=False)
class Budget:
    """An upper bound on the sum of a cost over all layers.

    Attributes:
        name: Name of the cost, such as `weight_bytes`.
        costs: For each layer the costs of its choices, shape (choices of the layer,).
        most: The upper bound, in the unit of the costs.
    """

    name: str
    costs: PerLayer
    most: float


@dataclass(frozen=True, eq=False)
class AllocationProblem:
    """A multiple-choice knapsack: one choice for each layer, with the least sum of damage within all budgets.

    Attributes:
        damage: For each layer the damage of its choices, shape (choices of the layer,).
        budgets: The budgets to be kept; there may be none.

    Raises:
        ValueError: If there is no layer, a layer has no choice, the shapes of the costs of a budget are not those of
            the damage, or a damage, a cost or a budget is not finite.
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
                raise ValueError(
                    f"{budget.name} must have a cost for each choice of each layer, shapes {shapes}, got {found}"
                )
            _check_finite(budget.name, budget.costs)
            if not isfinite(budget.most):
                raise ValueError(f"the budget of {budget.name} must be finite, got {budget.most}; leave it out")

    def excesses(self, chosen: Sequence[int]) -> dict[str, float]:
        """The excess over each budget that an allocation exceeds, by name of the budget; empty if it keeps all."""
        over = {budget.name: sum_chosen(budget.costs, chosen) - budget.most for budget in self.budgets}
        return {name: excess for name, excess in over.items() if excess > 0}


def _check_finite(name: str, values: PerLayer) -> None:
    for layer, known in enumerate(values):
        if not np.isfinite(known).all():
            raise ValueError(f"{name} of the choices of layer {layer} must be finite, got {known}")
