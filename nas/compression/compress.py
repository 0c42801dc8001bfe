"""Applies a compression policy to a plain network, which then rounds as hardware does at the bits of the policy.

Independent of supernets and of devices.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nas.compression.methods import DEFAULT_METHODS
from nas.compression.observers.observer import Observer
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import REFERENCE, ActivationQuantizer
from search_spaces.elastic.weight_steps import Quantizer
from search_spaces.layer_spec import LayerSpec


def apply_policy(
    network: nn.Module, layers: Sequence[LayerSpec], policy: CompressionPolicy, quantizer: Quantizer = REFERENCE
) -> nn.Module:
    """A copy of a network whose layers quantise as a policy says.

    Activations are rounded over the range of each batch until `calibrate` fixes their ranges.

    Args:
        network: A network with a submodule of class `Layer` for every layer, under its name.
        layers: The layers of the network, in the order of the policy.
        policy: The policy, with one entry per layer.
        quantizer: Chooses the steps of weights for which no steps were learnt in training.

    Raises:
        ValueError: If the policy has more or fewer entries than there are layers, or the submodule of a layer is no
            `Layer`.
    """
    if len(policy.layers) != len(layers):
        raise ValueError(f"the policy must have one entry per layer ({len(layers)}), got {len(policy.layers)}")
    compressed = copy.deepcopy(network)
    for spec, layer_policy in zip(layers, policy.layers, strict=True):
        layer = compressed.get_submodule(spec.name)
        if not isinstance(layer, Layer):
            raise ValueError(f"{spec.name} must be a Layer to be compressed, got {type(layer).__name__}")
        layer.quantize(layer_policy, quantizer)
    return compressed


@torch.no_grad()
def calibrate(network: nn.Module, batches: Iterable[Tensor], observer: Observer = DEFAULT_METHODS.observer) -> None:
    """Fixes the range of each activation quantiser so that it contains the ranges observed in all batches.

    A quantiser whose input was already rounded by another quantiser of equal bits takes over the range of that one.

    Args:
        network: A network from `apply_policy` or `tracing.compress`, in evaluation mode; it is changed in place.
        batches: Inputs of the network, each of shape (batch, ...).
        observer: Takes the range of an activation from one batch.

    Raises:
        ValueError: If there is no batch, or an input is not finite: ranges would be those of nothing.
    """
    count = 0
    with calibrating(network, observer):
        for inputs in batches:
            if not bool(inputs.isfinite().all()):
                raise ValueError(f"networks are calibrated by finite inputs, got NaN or infinity in batch {count}")
            network(inputs)
            count += 1
    if not count:
        raise ValueError(
            "networks are calibrated by one or more batches of inputs, got none; a few dozen inputs will do"
        )


@contextmanager
def calibrating(network: nn.Module, observer: Observer = DEFAULT_METHODS.observer) -> Iterator[None]:
    """Fixes the range of each activation quantiser by what the network computes meanwhile, as `calibrate` does.

    Args:
        network: A network from `apply_policy` or `tracing.compress`, in evaluation mode; it is changed in place.
        observer: Takes the range of an activation from one batch.
    """
    ranges: dict[ActivationQuantizer, tuple[float, float]] = {}
    producers: dict[ActivationQuantizer, ActivationQuantizer] = {}

    def see(quantizer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(quantizer, ActivationQuantizer)
        if producer := quantizer.producer(inputs[0]):
            producers[quantizer] = producer
            return
        low, high = observer.observe(inputs[0])
        seen = ranges.get(quantizer, (low, high))
        ranges[quantizer] = (min(low, seen[0]), max(high, seen[1]))

    quantizers = [module for module in network.modules() if isinstance(module, ActivationQuantizer)]
    active = [quantizer for quantizer in quantizers if quantizer.bits != FULL_PRECISION_BITS]
    for quantizer in active:
        quantizer.range = None
    hooks = [quantizer.register_forward_pre_hook(see) for quantizer in active]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    for quantizer, limits in ranges.items():
        quantizer.range = limits
    for quantizer, producer in producers.items():
        quantizer.range = producer.range


@torch.no_grad()
def fix_range(quantizer: ActivationQuantizer, batches: Iterable[Tensor], observer: Observer) -> None:
    """Fixes the range of one activation quantiser so that it contains the ranges observed in all batches.

    Args:
        quantizer: Takes over the range of the quantiser that made a batch itself, if one of equal bits did.
        batches: What it reads, each of shape (batch, ...).
        observer: Takes the range of an activation from one batch.
    """
    ranges = []
    for activation in batches:
        producer = quantizer.producer(activation)
        ranges.append(observer.observe(activation) if producer is None or not producer.range else producer.range)
    quantizer.range = min(low for low, _ in ranges), max(high for _, high in ranges)
