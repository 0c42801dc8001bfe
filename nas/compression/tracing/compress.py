"""Compresses a traced network under a policy, with the quantisers that networks of supernets have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from nas.compression.tracing.quantized_graph import find_quantize_nodes, quantize_activations
from nas.compression.tracing.reduced_network import reduce_network
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import REFERENCE, ActivationQuantizer
from search_spaces.elastic.weight_steps import Quantizer
from search_spaces.weight_groups import check_group_size


def compress(
    traced: TracedNetwork,
    policy: CompressionPolicy,
    quantizer: Quantizer = REFERENCE,
    directions: Mapping[str, Tensor] | None = None,
) -> GraphNetwork:
    """A network whose layers quantise, are sparse and of low rank as a policy says.

    Activations are rounded over the range of each batch until `calibrate` fixes their ranges. Of an embedding only the
    weight is rounded, not the activations around it. A weight that several nodes use is rounded once. A layer of low
    rank is two layers, each with a weight that is rounded; so is the activation between them. A corrected layer is
    three: it and both factors of what makes up for its rounding.

    Args:
        traced: The network; it is not changed, and its tensors are copied.
        policy: The policy, with one entry for each of `traced.graph.layers`.
        quantizer: Chooses the steps of the weights.
        directions: What layers of low rank keep, by name of the weight, shape (out, most) each
            (`Factorization.find_directions`); None takes singular vectors.

    Raises:
        ValueError: If the policy has more or fewer entries than the network has layers, or a layer cannot be of its
            rank, not be corrected, not be sparse in its way or not have its groups of inputs.
    """
    copies = {
        name: tensor.detach().clone().requires_grad_(tensor.requires_grad) for name, tensor in traced.parameters.items()
    }
    return view_compressed(replace(traced, parameters=copies), policy, quantizer, directions)


def view_compressed(
    traced: TracedNetwork,
    policy: CompressionPolicy,
    quantizer: Quantizer = REFERENCE,
    directions: Mapping[str, Tensor] | None = None,
) -> GraphNetwork:
    """The same as `compress`, but the network shares all tensors: where many policies are tried on one network.

    Args:
        traced: The network.
        policy: The policy, with one entry for each of `traced.graph.layers`.
        quantizer: Chooses the steps of the weights.
        directions: What layers of low rank keep, shape (out, most) each; as for `compress`.

    Raises:
        ValueError: As for `compress`.
    """
    reduced, entries = reduce_network(traced, policy, directions, quantizer)
    graph = quantize_activations(reduced.graph, [entry.activation_bits for entry in entries])
    rounding = {name: ActivationQuantizer(bits) for name, bits in find_quantize_nodes(graph).items()}
    network = GraphNetwork(graph, reduced.parameters, rounding)
    for layer, entry in zip(reduced.graph.layers, entries, strict=True):
        if entry.weight_bits != FULL_PRECISION_BITS:
            if entry.group_size is not None:
                check_group_size(layer.operator, entry.group_size)
            network.round_weight(layer.weight, entry.weight_bits, quantizer, entry.group_size)
    return network.eval()
