"""Damage from traces: each weight and each activation of a layer is taken to have the average curvature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.compression.sensitivity.rounding_errors import ActivationErrors, compute_weight_error
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


def compute_trace_damage(
    subject: CompressionSubject, network: TappedNetwork, traces: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """Half of trace / size * squared error, summed over the weight of a layer and the activations that it rounds.

    Source: Dong et al., "HAWQ-V2", NeurIPS 2020, section 3.1 for weights and 3.3 for activations; half of it is the
    second-order estimate of the degradation. A negative trace counts by its magnitude, as damage is never negative.

    Args:
        subject: What is compressed; it has data.
        network: Its network.
        traces: For each layer the trace of the Hessian of the mean loss by the weight, and for each of its sites that
            of the loss of a sample by the value, mean over samples; shape (1 + sites,).

    Returns:
        For each layer the damage of its policies, each of shape (policies,).
    """
    found = []
    for layer, known in enumerate(subject.choices):
        mean = abs(float(traces[layer][0])) / subject.weights[layer].numel()
        errors = [compute_weight_error(subject, layer, policy) for policy in known]
        found.append(np.array([0.5 * mean * float(error.double().square().sum()) for error in errors]))
    rounding, data = ActivationErrors(subject, network), subject.need_data()
    for inputs in data:
        network.forward(inputs)
        for layer, known in enumerate(subject.choices):
            for choice, policy in enumerate(known):
                for trace, error in zip(
                    traces[layer][1:], rounding.compute(layer, policy.activation_bits), strict=False
                ):
                    # trace / (size of one sample) * (sum over samples of squared error) / samples
                    mean_square = float(error.double().square().mean())
                    found[layer][choice] += 0.5 * abs(float(trace)) * mean_square * len(inputs) / len(data)
    return tuple(found)


def split_by_layer(traces: FloatArray, network: TappedNetwork) -> list[FloatArray]:
    """Traces in a row as those of each layer, shape (1 + sites,): that of its weight, then those of its sites.

    Args:
        traces: Of all layers, shape (matrices,).
        network: The network.
    """
    return np.split(traces, np.cumsum([1 + len(sites) for sites in network.sites])[:-1])
