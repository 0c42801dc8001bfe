"""Bit operations for one input: `macs * weight_bits * activation_bits`, with 32 bits outside the layers."""

from __future__ import annotations

from search_spaces.analytic_costs.analytic_cost import AnalyticCost
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.layer_spec import LayerSpec


def _layer_cost(layer: LayerSpec, policy: LayerPolicy) -> float:
    return float(layer.macs) * policy.weight_bits * policy.activation_bits


BOPS = AnalyticCost("count", _layer_cost, lambda costs: costs.macs * FULL_PRECISION_BITS**2)
