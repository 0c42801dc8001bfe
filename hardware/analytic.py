"""Analytic costs: exact prices of one layer that need no measurement.

In: a layer and its policy. Out: bytes, operations and parameters, for `JointSpace.tabulate`. Knows no device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.choices import NonLayerCosts
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec

_FLOAT_BYTES = 4


def weight_bytes(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Size of all parameters of a layer in bytes.

    `weights * weight_bits / 8`, plus one 4-byte scale per output channel if the weights are quantised (they are
    symmetric and need no zero points), plus 4 bytes for every other parameter (bias, normalisation): these stay floats.
    """
    scales = layer.out_channels if policy.weight_bits < FULL_PRECISION_BITS else 0
    return layer.weights * policy.weight_bits / 8 + _FLOAT_BYTES * (scales + layer.parameters - layer.weights)


def macs(layer: LayerSpec, _policy: LayerPolicy) -> float:
    """Multiply-accumulate operations for one input; independent of the bit-widths."""
    return float(layer.macs)


def bops(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Bit operations for one input: `macs * weight_bits * activation_bits`."""
    return macs(layer, policy) * policy.weight_bits * policy.activation_bits


def parameters(layer: LayerSpec, _policy: LayerPolicy) -> float:
    """Trainable elements; independent of the bit-widths."""
    return float(layer.parameters)


@dataclass(frozen=True, slots=True)
class AnalyticCost:
    """An exact cost that needs no measurement.

    Attributes:
        of_layer: Of a layer under a policy.
        of_non_layer: Of what every network has outside its layers, which no policy compresses.
    """

    of_layer: Callable[[LayerSpec, LayerPolicy], float]
    of_non_layer: Callable[[NonLayerCosts], float]


COSTS: dict[str, AnalyticCost] = {
    "weight_bytes": AnalyticCost(weight_bytes, lambda outside: outside.bytes),
    "macs": AnalyticCost(macs, lambda outside: outside.macs),
    "bops": AnalyticCost(bops, lambda outside: outside.macs * FULL_PRECISION_BITS**2),
    "parameters": AnalyticCost(parameters, lambda outside: outside.parameters),
}


def network_cost(space: JointSpace, name: str) -> AdditiveCost:
    """An analytic cost of all networks of a space, with what they have besides their layers.

    Args:
        space: Where the networks come from.
        name: One of `COSTS`.
    """
    cost = COSTS[name]
    besides = float(cost.of_non_layer(space.architectures.non_layer_costs))
    return AdditiveCost([*space.tabulate(cost.of_layer).terms, Term((), np.array(besides))])
