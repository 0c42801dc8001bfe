"""Analytic costs of whole networks: exact, by name, and without a measurement or a device."""

from __future__ import annotations

import numpy as np

from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.joint_space import JointSpace
from search_spaces.tabulated_slot import tabulate_non_layer


def network_cost(space: JointSpace, name: str) -> AdditiveCost:
    """An analytic cost of all networks of a space: that of their layers, and that of everything outside the layers.

    Args:
        space: The joint space of the networks.
        name: A key of `ANALYTIC_COSTS`, such as `weight_bytes`.

    Raises:
        ValueError: If the name is unknown.
    """
    cost = ANALYTIC_COSTS[name]
    architectures, price = space.architectures, cost.non_layer_cost
    constant = float(price(architectures.non_layer_costs))
    besides = [tabulate_non_layer(architectures, slot, price) for slot in architectures.non_layer_slots]
    return AdditiveCost([*space.tabulate(cost.layer_cost).terms, *besides, Term((), np.array(constant))])
