"""Analytic costs: exact prices of one layer that need no measurement.

In: a layer and its policy. Out: bytes, operations and parameters, for `JointSpace.tabulate`. Knows no device.
"""

from __future__ import annotations

from collections.abc import Callable

from search_spaces.candidate import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.layers import LayerSpec

_FLOAT_BYTES = 4


def weight_bytes(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Size of all parameters of a layer in bytes.

    `weights * weight_bits / 8`, plus one 4-byte scale per output channel if the weights are quantised (they are
    symmetric and need no zero points), plus 4 bytes for every other parameter (bias, normalisation): these stay floats.

    Raises:
        ValueError: If the policy prunes or factorises.
    """
    _require_dense(policy)
    scales = layer.out_channels if policy.weight_bits < FULL_PRECISION_BITS else 0
    return layer.weights * policy.weight_bits / 8 + _FLOAT_BYTES * (scales + layer.parameters - layer.weights)


def macs(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Multiply-accumulate operations for one input; independent of the bit-widths.

    Raises:
        ValueError: If the policy prunes or factorises.
    """
    _require_dense(policy)
    return float(layer.macs)


def bops(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Bit operations for one input: `macs * weight_bits * activation_bits`.

    Raises:
        ValueError: If the policy prunes or factorises.
    """
    return macs(layer, policy) * policy.weight_bits * policy.activation_bits


def parameters(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Trainable elements; independent of the bit-widths.

    Raises:
        ValueError: If the policy prunes or factorises.
    """
    _require_dense(policy)
    return float(layer.parameters)


def _require_dense(policy: LayerPolicy) -> None:
    if policy.sparsity or policy.rank is not None:
        raise ValueError(f"analytic costs know bit-widths only, not sparsity or rank; got {policy}")


COSTS: dict[str, Callable[[LayerSpec, LayerPolicy], float]] = {
    "weight_bytes": weight_bytes,
    "macs": macs,
    "bops": bops,
    "parameters": parameters,
}
