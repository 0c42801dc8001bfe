"""The analytic costs by name. A new one is one new file and one line here, or an entry point `nas.analytic_costs`."""

from __future__ import annotations

from search_spaces.analytic_costs.analytic_cost import AnalyticCost
from search_spaces.analytic_costs.bops import BOPS
from search_spaces.analytic_costs.macs import MACS
from search_spaces.analytic_costs.parameters import PARAMETERS
from search_spaces.analytic_costs.weight_bytes import WEIGHT_BYTES
from search_spaces.registry import Registry

ANALYTIC_COSTS: Registry[AnalyticCost] = Registry(
    "analytic cost",
    {
        "weight_bytes": WEIGHT_BYTES,
        "macs": MACS,
        "bops": BOPS,
        "parameters": PARAMETERS,
    },
    lambda entry: isinstance(entry, AnalyticCost),
)
