"""The problem that an allocator solves: the policies of each layer, their damage, and budgets on their costs.

The policies of a layer are called its choices, and are numbered from 0. Damage and costs are sums of tables: one for
each layer, and further ones that several layers decide together, such as the conversions between two layers that a
latency table prices, or the damage that two layers do beyond the sum of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import fsum, isfinite

import numpy as np

from search_spaces.additive_cost import FloatArray, Term

PerLayer = tuple[FloatArray, ...]
Joint = tuple[Term, ...]


def sum_chosen(values: PerLayer, chosen: Sequence[int], joint: Joint = ()) -> float:
    """The sum over all tables of the value of the chosen policies.

    The sum is rounded once, at the end, so the order of the layers does not matter.

    Args:
        values: For each layer the values of its choices, shape (choices of the layer,).
        chosen: For each layer the index of the chosen policy among its choices.
        joint: Tables over the choices of several layers, whose columns are indices of layers.
    """
    alone = [float(known[choice]) for known, choice in zip(values, chosen, strict=True)]
    together = [float(term.table[tuple(chosen[layer] for layer in term.columns)]) for term in joint]
    return fsum(alone + together)


@dataclass(frozen=True, eq=False)
class Budget:
    """An upper bound on the sum of a cost.

    Attributes:
        name: Name of the cost, such as `weight_bytes`.
        costs: For each layer the costs of its choices, shape (choices of the layer,).
        most: The upper bound, in the unit of the costs.
        joint: Costs that several layers decide together: tables over their choices, whose columns are the indices of
            the layers. A chain of layers has such a table for each layer and the next.
    """

    name: str
    costs: PerLayer
    most: float
    joint: Joint = ()

    def spend(self, chosen: Sequence[int]) -> float:
        """The cost of an allocation."""
        return sum_chosen(self.costs, chosen, self.joint)

    @property
    def terms(self) -> Joint:
        """The costs as tables, those of single layers first."""
        return (*_as_terms(self.costs), *self.joint)


@dataclass(frozen=True, eq=False)
class AllocationProblem:
    """A multiple-choice knapsack: one choice for each layer, with the least sum of damage within all budgets.

    Attributes:
        damage: For each layer the damage of its choices, shape (choices of the layer,).
        budgets: The budgets to be kept; there may be none.
        ties: Groups of layers that take the choice of the same index, such as layers that meet at an addition. Each
            group holds indices of two or more layers with equally many choices; no layer is in two groups.
        pairs: Damage that several layers do together beyond the sum of their own: tables like `Budget.joint`, whose
            values may be negative.

    Raises:
        ValueError: If there is no layer, a layer has no choice, the shapes of the costs of a budget are not those of
            the damage, a damage, a cost or a budget is not finite, two budgets have one name, or a tie or a table of
            several layers does not fit the layers.
    """

    damage: PerLayer
    budgets: tuple[Budget, ...] = ()
    ties: tuple[tuple[int, ...], ...] = ()
    pairs: Joint = ()

    def __post_init__(self) -> None:
        shapes = [known.shape for known in self.damage]
        if not shapes or any(len(shape) != 1 or shape == (0,) for shape in shapes):
            raise ValueError(f"one or more layers need a row of one or more choices each, got shapes {shapes}")
        _check_values("damage", self.damage, self.pairs)
        for budget in self.budgets:
            if [known.shape for known in budget.costs] != shapes:
                found = [known.shape for known in budget.costs]
                raise ValueError(
                    f"{budget.name} must have a cost for each choice of each layer, shapes {shapes}, got {found}"
                )
            _check_values(budget.name, budget.costs, budget.joint)
            if not isfinite(budget.most):
                raise ValueError(f"the budget of {budget.name} must be finite, got {budget.most}; leave it out")
        names = [budget.name for budget in self.budgets]
        if len({*names}) < len(names):
            raise ValueError(f"each budget needs a name of its own, got {', '.join(names)}")
        self._check_ties()

    @property
    def sizes(self) -> list[int]:
        """The number of choices of each layer."""
        return [len(known) for known in self.damage]

    @property
    def terms(self) -> Joint:
        """The damage as tables, those of single layers first."""
        return (*_as_terms(self.damage), *self.pairs)

    def damage_of(self, chosen: Sequence[int]) -> float:
        """The damage of an allocation."""
        return sum_chosen(self.damage, chosen, self.pairs)

    def excesses(self, chosen: Sequence[int]) -> dict[str, float]:
        """The excess over each budget that an allocation exceeds, by name of the budget; empty if it keeps all."""
        over = {budget.name: budget.spend(chosen) - budget.most for budget in self.budgets}
        return {name: excess for name, excess in over.items() if excess > 0}

    def mirror(self, most_damage: float) -> AllocationProblem:
        """The problem with the roles of damage and cost exchanged: the least cost within a budget on the damage.

        This is the problem of L-GreCo (Alimohammadi et al., MLSys 2024), which any allocator solves.

        Args:
            most_damage: Upper bound on the summed damage.

        Raises:
            ValueError: If there is not exactly one budget, whose cost becomes what is minimised.
        """
        if len(self.budgets) != 1:
            raise ValueError(f"roles are exchanged between the damage and one budget, got {len(self.budgets)} budgets")
        cost = self.budgets[0]
        budget = Budget("damage", self.damage, most_damage, self.pairs)
        return AllocationProblem(cost.costs, (budget,), self.ties, cost.joint)

    def _check_ties(self) -> None:
        tied = [layer for group in self.ties for layer in group]
        for group in self.ties:
            if len(group) < 2 or not all(0 <= layer < len(self.damage) for layer in group):
                raise ValueError(f"a tie holds two or more of the layers 0 to {len(self.damage) - 1}, got {group}")
            if len({len(self.damage[layer]) for layer in group}) > 1:
                sizes = [len(self.damage[layer]) for layer in group]
                raise ValueError(f"tied layers must have equally many choices, got {sizes} in layers {group}")
        if len({*tied}) < len(tied):
            raise ValueError(f"a layer is in one tie at the most, got {self.ties}; join ties that share a layer")


def _as_terms(values: PerLayer) -> Iterator[Term]:
    return (Term((layer,), known) for layer, known in enumerate(values))


def _check_values(name: str, values: PerLayer, joint: Joint) -> None:
    for layer, known in enumerate(values):
        if not np.isfinite(known).all():
            raise ValueError(f"{name} of the choices of layer {layer} must be finite, got {known}")
    sizes = dict(enumerate(map(len, values)))
    for term in joint:
        shape = tuple(sizes.get(layer) for layer in term.columns)
        if term.table.shape != shape or len({*term.columns}) < len(term.columns):
            raise ValueError(
                f"{name} of the layers {term.columns} together must be a table over the choices of distinct layers, "
                f"shape {shape}, got {term.table.shape}"
            )
        if not np.isfinite(term.table).all():
            raise ValueError(f"{name} of the layers {term.columns} together must be finite")
