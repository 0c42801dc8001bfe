"""Costs of whole networks by a table: of their layers or blocks, of their tensors, and the constant of every network.

`price_network` computes the cost of one network node by node; `tabulate_prices` tabulates it for all of a space.
"""

from __future__ import annotations

import numpy as np

from hardware.calibration.calibration import Calibration
from hardware.calibration.tensor_terms import tabulate_tensors
from hardware.calibration.tensors import find_tensors
from hardware.profiling.workload import RandomNetwork
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.joint_space import JointSpace
from search_spaces.quantities import Quantities


def tabulate_prices(space: JointSpace, table: LatencyTable, metric: str = LATENCY) -> AdditiveCost:
    """The costs of all networks of a space by a table; latencies are calibrated if the table is.

    Args:
        space: The joint space.
        table: A table with an entry for every layer or block of the space.
        metric: A metric that all those entries have.

    Returns:
        The costs; to ask for that of a network which would not be above 0 is a ValueError.

    Raises:
        ValueError: If the device has no precision for a policy of the space.
        MissingCost: If the table lacks a layer of the space; the message names the layer.
    """
    calibration = table.calibration if metric == LATENCY else Calibration()
    constant = table.constants.get(metric, 0.0) + calibration.constant_ms
    if table.has_blocks:
        cost = space.tabulate_blocks(lambda layers: table.cost(metric, layers))
    else:
        cost = space.tabulate(lambda layer, policy: table.cost(metric, [(layer, policy)]))
    quantities, tensors = Quantities(space.cardinalities.tolist()), []
    if calibration.tensors.by_use:
        tensors = tabulate_tensors(space, table.device, calibration.tensors, quantities)
    return AdditiveCost([*cost.terms, *tensors, Term((), np.array(constant))], quantities.derived, positive=True)


def price_network(network: RandomNetwork, table: LatencyTable) -> float:
    """Latency of one network in milliseconds: of its layers and tensors, and the constant of every network.

    Args:
        network: The network, with the policy as which the device executes each layer.
        table: A table with an entry for every layer of the network.

    Raises:
        MissingCost: If the table lacks a layer of the network; the message names the layer.
    """
    layers_ms = table.total(LATENCY, [[layer] for layer in network.layers.values()])
    return layers_ms + table.calibration.constant_ms + table.calibration.tensors.total(find_tensors(network))
