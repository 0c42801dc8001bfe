"""Applies a compression policy to a plain network and calibrates its activation ranges.

In: a network made of `Layer`s, a policy and inputs. Out: a copy that computes as compressed hardware would.
Knows no supernet and no device.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer, value_range
from search_spaces.layer_spec import LayerSpec

_BLOCK = 64  # values; most blocks hold none of the outliers

RangeEstimator = Callable[[Tensor], tuple[float, float]]


def apply_policy(network: nn.Module, layers: Sequence[LayerSpec], policy: CompressionPolicy) -> nn.Module:
    """A copy of a network whose layers quantise as the policy says, dynamically until they are calibrated.

    Args:
        network: Contains a `Layer` of the name of every layer.
        layers: The layers of the network, in the order of the policy.
        policy: One entry per layer.

    Raises:
        ValueError: If the policy does not fit the network.
    """
    if len(policy.layers) != len(layers):
        raise ValueError(f"the policy must have one entry per layer ({len(layers)}), got {len(policy.layers)}")
    compressed = copy.deepcopy(network)
    for spec, layer_policy in zip(layers, policy.layers, strict=True):
        layer = compressed.get_submodule(spec.name)
        if not isinstance(layer, Layer):
            raise ValueError(f"{spec.name} must be a Layer to be compressed, got {type(layer).__name__}")
        layer.quantize(layer_policy)
    return compressed


def min_max(activation: Tensor) -> tuple[float, float]:
    """The full range of an activation."""
    return value_range(activation)


def percentile(share: float) -> RangeEstimator:
    """A range that leaves out a few outliers, e.g. `percentile(99.99)`.

    Args:
        share: Percent of the values kept on each side, in (50, 100].
    """
    if not 50 < share <= 100:
        raise ValueError(f"a percentile must lie in (50, 100], got {share}")

    def estimate(activation: Tensor) -> tuple[float, float]:
        outside = max(1, round(activation.numel() * (1 - share / 100)))
        return -_largest(-activation, outside), _largest(activation, outside)

    return estimate


def _largest(values: Tensor, rank: int) -> float:
    """The value of a rank, 1 the largest; it lies in one of so many blocks with the largest maxima."""
    flat = values.flatten()
    whole = flat[: len(flat) // _BLOCK * _BLOCK].view(-1, _BLOCK)
    blocks = whole[whole.amax(1).topk(min(rank, len(whole))).indices]
    return float(torch.cat([blocks.flatten(), flat[whole.numel() :]]).topk(rank).values[-1])


@torch.no_grad()
def calibrate(network: nn.Module, batches: Iterable[Tensor], estimate: RangeEstimator = min_max) -> None:
    """Fixes the range of every activation quantiser to the widest estimate over some batches.

    A quantiser that reads what another one of the same bits has just rounded takes over its range.

    Args:
        network: A network from `apply_policy`, in evaluation mode; changed in place.
        batches: Inputs, shape (batch, channels, side, side).
        estimate: How the range of one activation is taken.
    """
    ranges: dict[ActivationQuantizer, tuple[float, float]] = {}
    producers: dict[ActivationQuantizer, ActivationQuantizer] = {}

    def observe(quantizer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(quantizer, ActivationQuantizer)
        if producer := quantizer.producer(inputs[0]):
            producers[quantizer] = producer
            return
        low, high = estimate(inputs[0])
        seen = ranges.get(quantizer, (low, high))
        ranges[quantizer] = (min(low, seen[0]), max(high, seen[1]))

    quantizers = [module for module in network.modules() if isinstance(module, ActivationQuantizer)]
    active = [quantizer for quantizer in quantizers if quantizer.bits != FULL_PRECISION_BITS]
    for quantizer in active:
        quantizer.range = None
    hooks = [quantizer.register_forward_pre_hook(observe) for quantizer in active]
    for inputs in batches:
        network(inputs)
    for hook in hooks:
        hook.remove()
    for quantizer, limits in ranges.items():
        quantizer.range = limits
    for quantizer, producer in producers.items():
        quantizer.range = producer.range
