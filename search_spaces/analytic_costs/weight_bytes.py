"""The size of a network: `weights * weight_bits / 8` for each layer, less for zeros, and what is stored beside them."""

from __future__ import annotations

from search_spaces.analytic_costs.analytic_cost import AnalyticCost
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.sparsity import count_stored_bits
from search_spaces.weight_groups import count_steps

_FLOAT_BYTES = 4


def _layer_cost(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Weights in their bits, their steps as floats if they are quantised, and all other parameters as floats.

    There is a step for each output channel or, in group-wise formats, for each of its groups of inputs. Quantised
    weights are symmetric, so there are no zero points. An embedding has a step per row. Sparse weights are stored as
    `count_stored_bits` says.
    """
    quantized = policy.weight_bits < FULL_PRECISION_BITS
    steps = count_steps(layer.operator, policy.group_size) if quantized else 0
    stored_bits = count_stored_bits(layer.weights, policy.weight_bits, policy.sparsity)
    return stored_bits / 8 + _FLOAT_BYTES * (steps + layer.parameters - layer.weights)


WEIGHT_BYTES = AnalyticCost("bytes", _layer_cost, lambda costs: costs.bytes)
