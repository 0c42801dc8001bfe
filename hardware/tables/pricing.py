"""Prices of whole networks by a table: of all layers or blocks, and of what a network costs besides.

In: a joint space and a table. Out: functions from genes to costs. Knows no search.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware.calibration.calibration import Calibration
from hardware.calibration.tensor_uses import TensorUses
from hardware.tables.latency_table import LATENCY, LatencyTable
from search_spaces.additive_cost import FloatArray
from search_spaces.joint_space import JointSpace
from search_spaces.space import Genes

_CHUNK_ROWS = 4096  # keeps the tensors of all networks of a chunk in cache


def network_costs(space: JointSpace, table: LatencyTable, metric: str = LATENCY) -> Callable[[Genes], FloatArray]:
    """Prices genes, shape (n, d); the result has shape (n,). Latencies are calibrated, if the table is.

    Raises:
        ValueError: If the device has no kernel for a policy of the space.
        MissingCost: If the table lacks a layer of the space; names it.
    """
    calibration = table.calibration if metric == LATENCY else Calibration()
    constant = table.constants.get(metric, 0.0) + calibration.constant_ms
    if table.has_blocks:
        additive = space.tabulate_blocks(lambda layers: table.cost(metric, layers))
    else:
        additive = space.tabulate(lambda layer, policy: table.cost(metric, [(layer, policy)]))
    if not calibration.tensors.uses:
        return lambda genes: additive(genes) + constant
    tensor_uses = TensorUses(space, table.device)

    def costs(genes: Genes) -> FloatArray:
        total = additive(genes) + constant
        for start in range(0, len(genes), _CHUNK_ROWS):
            total[start : start + _CHUNK_ROWS] += calibration.tensors(*tensor_uses(genes[start : start + _CHUNK_ROWS]))
        return total

    return costs
