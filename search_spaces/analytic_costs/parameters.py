"""Trainable elements; they do not depend on bits and zeros."""

from __future__ import annotations

from search_spaces.analytic_costs.analytic_cost import AnalyticCost

PARAMETERS = AnalyticCost("count", lambda layer, _policy: float(layer.parameters), lambda costs: costs.parameters)
