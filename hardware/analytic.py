"""Analytic costs: exact prices of one layer that need no measurement.

In: a layer and its policy. Out: bytes, operations and parameters, for `JointSpace.tabulate`. Knows no device.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from search_spaces.additive_cost import AdditiveCost, Term
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


def network_cost(space: JointSpace, name: str) -> AdditiveCost:
    """An analytic cost of all networks of a space; what they have besides their layers counts in full precision.

    Args:
        space: Where the genes come from.
        name: One of `COSTS`.
    """
    cost, besides = space.tabulate(COSTS[name]), space.architectures.besides
    constant = {
        "weight_bytes": _FLOAT_BYTES * besides.parameters,
        "macs": besides.macs,
        "bops": besides.macs * FULL_PRECISION_BITS**2,
        "parameters": besides.parameters,
    }[name]
    return AdditiveCost([*cost.terms, Term((), np.array(float(constant)))])


COSTS: dict[str, Callable[[LayerSpec, LayerPolicy], float]] = {
    "weight_bytes": weight_bytes,
    "macs": macs,
    "bops": bops,
    "parameters": parameters,
}
