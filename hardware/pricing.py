"""Prices of whole networks by a table: of all layers or blocks, and of what every network costs besides.

In: a joint space and a table. Out: a function from genes to costs. Knows no search.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware.calibration import FloatArray
from hardware.latency_table import LATENCY, LatencyTable
from search_spaces.joint_space import JointSpace
from search_spaces.space import Genes


def network_costs(space: JointSpace, table: LatencyTable, metric: str = LATENCY) -> Callable[[Genes], FloatArray]:
    """Prices genes, shape (n, d), before calibration; the result has shape (n,).

    Raises:
        ValueError: If the device has no kernel for a policy of the space.
        MissingCost: If the table lacks a layer of the space; names it.
    """
    constant = table.constants.get(metric, 0.0)
    if table.has_blocks:
        additive = space.tabulate_blocks(lambda layers: table.cost(metric, layers))
    else:
        additive = space.tabulate(lambda layer, policy: table.cost(metric, [(layer, policy)]))
    return lambda genes: additive(genes) + constant
