"""Multiply-accumulate operations for one input; they do not depend on bits and zeros."""

from __future__ import annotations

from search_spaces.analytic_costs.analytic_cost import AnalyticCost

MACS = AnalyticCost("count", lambda layer, _policy: float(layer.macs), lambda costs: costs.macs)
