"""Compresses a traced network under a policy, with the quantisers that networks of supernets have."""

from __future__ import annotations

from dataclasses import replace

from nas.compression.tracing.quantized_graph import find_quantize_nodes, quantize_activations
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import REFERENCE, ActivationQuantizer
from search_spaces.elastic.weight_steps import Quantizer


def compress(traced: TracedNetwork, policy: CompressionPolicy, quantizer: Quantizer = REFERENCE) -> GraphNetwork:
    """A network whose layers quantise as a policy says.

    Activations are rounded over the range of each batch until `calibrate` fixes their ranges. Of an embedding only the
    weight is rounded, not the activations around it. A weight that several nodes use is rounded once.

    Args:
        traced: The network; it is not changed, and its tensors are copied.
        policy: The policy, with one entry for each of `traced.graph.layers`.
        quantizer: Chooses the steps of the weights.

    Raises:
        ValueError: If the policy has more or fewer entries than the network has layers.
    """
    copies = {
        name: tensor.detach().clone().requires_grad_(tensor.requires_grad) for name, tensor in traced.parameters.items()
    }
    return view_compressed(replace(traced, parameters=copies), policy, quantizer)


def view_compressed(traced: TracedNetwork, policy: CompressionPolicy, quantizer: Quantizer = REFERENCE) -> GraphNetwork:
    """The same as `compress`, but the network shares all tensors: where many policies are tried on one network.

    Args:
        traced: The network.
        policy: The policy, with one entry for each of `traced.graph.layers`.
        quantizer: Chooses the steps of the weights.

    Raises:
        ValueError: If the policy has more or fewer entries than the network has layers.
    """
    layers = traced.graph.layers
    if len(policy.layers) != len(layers):
        raise ValueError(f"the policy must have one entry per layer ({len(layers)}), got {len(policy.layers)}")
    graph = quantize_activations(traced.graph, [entry.activation_bits for entry in policy.layers])
    rounding = {name: ActivationQuantizer(bits) for name, bits in find_quantize_nodes(graph).items()}
    network = GraphNetwork(graph, traced.parameters, rounding)
    for layer, entry in zip(layers, policy.layers, strict=True):
        if entry.weight_bits != FULL_PRECISION_BITS:
            network.round_weight(layer.weight, entry.weight_bits, quantizer)
    return network.eval()
