"""The size of a network: `weights * weight_bits / 8` for each layer, less for zeros, and what is stored beside them."""

from __future__ import annotations

from search_spaces.analytic_costs.analytic_cost import AnalyticCost
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.sparsity import count_stored_bits

_FLOAT_BYTES = 4


def _layer_cost(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Weights in their bits, a float scale per output channel if they are quantised, all other parameters as floats.

    Quantised weights are symmetric, so there are no zero points. An embedding has a scale per row. Sparse weights are
    stored as `count_stored_bits` says.
    """
    scales = layer.out_channels if policy.weight_bits < FULL_PRECISION_BITS else 0
    stored_bits = count_stored_bits(layer.weights, policy.weight_bits, policy.sparsity)
    return stored_bits / 8 + _FLOAT_BYTES * (scales + layer.parameters - layer.weights)


WEIGHT_BYTES = AnalyticCost("bytes", _layer_cost, lambda costs: costs.bytes)
