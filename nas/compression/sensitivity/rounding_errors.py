"""What rounding does to the weights and to the activations of a layer under each of its policies."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer
from search_spaces.elastic.weight_steps import Quantizer


@torch.no_grad()
def compute_weight_error(weight: Tensor, policy: LayerPolicy, quantizer: Quantizer) -> Tensor:
    """The rounded weight less the weight, of its shape (out, ...).

    Args:
        weight: Shape (out, ...).
        policy: The policy of the layer.
        quantizer: Chooses the steps.
    """
    error: Tensor = WeightQuantizer(policy.weight_bits, quantizer)(weight) - weight
    return error


class ActivationErrors:
    """Rounds the values of the sites of layers, over ranges that are taken from all data.

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
