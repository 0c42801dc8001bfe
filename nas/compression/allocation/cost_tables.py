"""Costs of a space of one network as damage or budgets: sums of tables over the choices of its layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.compression.allocation.allocation_problem import Budget, Joint, PerLayer
from search_spaces.additive_cost import AdditiveCost


def split_cost(cost: AdditiveCost, sizes: Sequence[int]) -> tuple[PerLayer, Joint]:
    """The part of a cost that each layer decides by itself, and the tables that several layers decide together.

    A constant counts for the first layer, whatever its choice.

    Args:
        cost: A cost whose genes are the choices of the layers, in order, such as a latency by
            `hardware.tables.pricing.tabulate_prices` in a joint space of a `GivenSpace`.
        sizes: The number of choices of each layer, such as `JointSpace.cardinalities`.

    Raises:
        ValueError: If a table that several layers decide would have more than 2^22 entries.
    """
    alone, joint = tuple(np.zeros(size) for size in sizes), []
    for term in cost.expand(len(sizes)):
        if len(term.columns) > 1:
            joint.append(term)
        else:
            alone[term.columns[0] if term.columns else 0][:] += term.table
    return alone, tuple(joint)


def budget_cost(name: str, cost: AdditiveCost, sizes: Sequence[int], most: float) -> Budget:
    """A budget on a cost of a space of one network.

    Args:
        name: Name of the cost, such as `latency_ms`.
        cost: The cost, as `split_cost` takes it.
        sizes: The number of choices of each layer.
        most: The upper bound, in the unit of the cost.

    Raises:
        ValueError: If a table that several layers decide would have more than 2^22 entries.
    """
    alone, joint = split_cost(cost, sizes)
    return Budget(name, alone, most, joint)
