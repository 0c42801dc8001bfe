"""What each policy of a layer does to its weight and to its activations."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.reduced_network import join_weights, reduce_weight
from search_spaces.compressed_layer import expand_policy
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer


@torch.no_grad()
def compute_weight_error(subject: CompressionSubject, layer: int, policy: LayerPolicy) -> Tensor:
    """What a policy makes of the weight of a layer, by rounding, zeros and rank, less the weight: shape (out, ...).

    Of a layer of low rank it is the product of the factors, each of which is rounded; of a corrected one it is the sum
    with such a product.

    Args:
        subject: What is compressed.
        layer: Index of the layer.
        policy: A policy of the layer.
    """
    named, weight = subject.traced.graph.layers[layer], subject.weights[layer]
    directions = None if policy.low_rank is None else subject.directions[named.weight]
    quantizer = subject.methods.quantizer
    parts = reduce_weight(weight, named, policy, directions, quantizer)
    rounded = [
        WeightQuantizer(rest.weight_bits, quantizer, rest.group_size)(part)
        for part, rest in zip(parts, expand_policy(policy), strict=True)
    ]
    return join_weights(rounded) - weight


class ActivationErrors:
    """Rounds the values of the sites of layers, over ranges that are taken from all data.

    The activation between the factors of a layer of low rank is no site: it is there under some policies only.

    Args:
        subject: What is compressed; it has data.
        network: Its network.
    """

    def __init__(self, subject: CompressionSubject, network: TappedNetwork) -> None:
        self._network, self._ranges = network, dict[tuple[int, int], tuple[float, float]]()
        observer = subject.methods.observer
        layers = [
            layer
            for layer, known in enumerate(subject.choices)
            if any(policy.activation_bits != FULL_PRECISION_BITS for policy in known)
        ]
        for inputs in subject.need_data() if layers else ():
            network.forward(inputs)
            for layer in layers:
                for index, value in enumerate(network.values(layer)):
                    low, high = observer.observe(value.detach())
                    seen = self._ranges.get((layer, index), (low, high))
                    self._ranges[layer, index] = (min(low, seen[0]), max(high, seen[1]))

    @torch.no_grad()
    def compute(self, layer: int, bits: int) -> tuple[Tensor, ...]:
        """The rounded values less the values of the last forward pass, for each site, shape (batch, ...).

        Args:
            layer: Index of the layer.
            bits: Bits of its activations; there are no errors at 32.
        """
        if bits == FULL_PRECISION_BITS:
            return ()
        errors = []
        for index, value in enumerate(self._network.values(layer)):
            quantizer = ActivationQuantizer(bits)
            quantizer.range = self._ranges[layer, index]
            errors.append(quantizer(value.detach()) - value.detach())
        return tuple(errors)
