"""What a policy makes of a network besides rounding: layers of low rank become two layers, weights become zero.

Two more layers run beside a corrected one, and an addition behind both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from nas.compression.low_rank.factorization import split_weight
from nas.compression.low_rank.svd import find_singular_directions
from nas.compression.tracing.sparse_weight import prune_weight
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.compressed_layer import expand_policy, name_factors
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.quantizers import REFERENCE, WeightQuantizer
from search_spaces.elastic.weight_steps import Quantizer, to_output_first, to_stored_layout
from search_spaces.low_rank import LowRank, factorize_operator, find_rank
from search_spaces.network_graph import Node, WeightedLayer
from search_spaces.operators.products import Add
from search_spaces.sparsity import check_sparsity
from search_spaces.weight_groups import check_group_size


def reduce_network(
    traced: TracedNetwork,
    policy: CompressionPolicy,
    directions: Mapping[str, Tensor] | None = None,
    quantizer: Quantizer = REFERENCE,
) -> tuple[TracedNetwork, tuple[LayerPolicy, ...]]:
    """A network at full precision with factors and zeros, and the policy of each of its layers.

    A layer of low rank becomes two, one after the other; the second has its name in the graph, bias and readers. A
    corrected layer stays as it is, and what read it reads its sum with the second factor (`name_sum`). Other layers
    that have no zeros share their tensors with the network.

    Args:
        traced: The network; it is not changed.
        policy: One entry for each of `traced.graph.layers`.
        directions: Of outputs, by name of the weight, shape (out, most) each (`Factorization.find_directions`); None
            takes singular vectors.
        quantizer: Chooses the steps in which weights that are corrected will be rounded.

    Returns:
        The network, and for each of its `graph.layers` the policy without low rank and correction.

    Raises:
        ValueError: If the policy has more or fewer entries than the network has layers, or a layer cannot be of its
            rank or not be sparse in its way.
    """
    layers = traced.graph.layers
    if len(policy.layers) != len(layers):
        raise ValueError(f"the policy must have one entry per layer ({len(layers)}), got {len(policy.layers)}")
    tensors, factored, entries = dict(traced.parameters), dict[str, LayerPolicy](), list[LayerPolicy]()
    for layer, entry in zip(layers, policy.layers, strict=True):
        entries += expand_policy(entry)
        if entry.has_no_factors and entry.sparsity is None:
            continue
        weight = to_output_first(traced.parameters[layer.weight], layer.operator)
        found = None if directions is None else directions.get(layer.weight)
        parts = reduce_weight(weight, layer, entry, found, quantizer)
        if entry.has_no_factors:
            tensors[layer.weight] = to_stored_layout(parts[0], layer.operator).contiguous()
        else:
            factored[layer.weight] = entry
            tensors |= dict(zip(_name_weights(layer.weight), parts[-2:], strict=True))
    sums = {
        node.name: name_sum(node.name)
        for node in traced.graph.nodes
        if node.weight in factored and factored[node.weight].correction is not None
    }
    nodes = tuple(
        one
        for node in traced.graph.nodes
        for one in _split_node(
            replace(node, inputs=tuple(sums.get(name, name) for name in node.inputs)), factored.get(node.weight or "")
        )
    )
    outputs = tuple(sums.get(name, name) for name in traced.graph.outputs)
    graph = replace(traced.graph, nodes=nodes, outputs=outputs)
    return replace(traced, graph=graph, parameters=tensors), tuple(entries)


def reduce_weight(
    weight: Tensor,
    layer: WeightedLayer,
    policy: LayerPolicy,
    directions: Tensor | None = None,
    quantizer: Quantizer = REFERENCE,
) -> tuple[Tensor, ...]:
    """The weights, at full precision, of the layers that run in place of a layer: itself with zeros, or its factors.

    Of a corrected layer these are itself and the factors of what rounding takes from it, along the singular vectors of
    that, as in one step of LQ-LoRA (Guo et al., ICLR 2024, section 3.1).

    Args:
        weight: Its weight, shape (out, in, ...).
        layer: The layer.
        policy: Its policy.
        directions: Orthonormal directions of its outputs, shape (out, most), which low rank keeps; None takes singular
            vectors.
        quantizer: Chooses the steps in which a weight that is corrected will be rounded.

    Returns:
        One weight, two whose product is one of low rank, or one and two whose product is added to it (`join_weights`);
        output channels first; they require gradients as it does.

    Raises:
        ValueError: If the layer cannot be of that rank, not be sparse in that way or, where it is corrected, not have
            its groups of inputs.
    """
    parts, operators = [weight.detach()], [unit.call.operator for unit in layer.units]
    share = policy.low_rank or policy.correction
    if share is not None:
        rank, pairs = find_rank(layer.operator, share), [factorize_operator(operator, share) for operator in operators]
        split = parts[0]
        if policy.correction is not None:
            if policy.group_size is not None:
                check_group_size(layer.operator, policy.group_size)
            split = split - WeightQuantizer(policy.weight_bits, quantizer, policy.group_size)(split)
        if directions is None or policy.correction is not None:
            directions = find_singular_directions(split)
        first, second = split_weight(split, directions, rank)
        factors = [first, second.reshape(pairs[0][1].weight_shape or ())]
        parts = factors if policy.correction is None else [*parts, *factors]
        operators = [one for two in pairs for one in two]
    if policy.sparsity is not None:
        for operator in operators:
            check_sparsity(operator, policy.sparsity)
        parts = [prune_weight(part, policy.sparsity) for part in parts]
    return tuple(part.requires_grad_(weight.requires_grad) for part in parts)


def list_approximate_weights(traced: TracedNetwork, policy: CompressionPolicy) -> Iterator[str]:
    """The weights, of the reduced network, that other values may suit better: second factors and sparse weights.

    Args:
        traced: The network.
        policy: One entry for each of its layers.
    """
    yield from list_sparse_weights(traced, policy)
    for layer, entry in zip(traced.graph.layers, policy.layers, strict=True):
        if entry.low_rank is not None:
            yield _name_weights(layer.weight)[1]


def list_sparse_weights(traced: TracedNetwork, policy: CompressionPolicy) -> Iterator[str]:
    """The weights, of the reduced network, that have zeros by the policy.

    Args:
        traced: The network.
        policy: One entry for each of its layers.
    """
    for layer, entry in zip(traced.graph.layers, policy.layers, strict=True):
        if entry.sparsity is not None:
            yield from (layer.weight,) if entry.low_rank is None else _name_weights(layer.weight)


def list_corrections(traced: TracedNetwork, policy: CompressionPolicy) -> dict[str, tuple[str, str]]:
    """The weights of both factors, in the reduced network, of every corrected weight.

    Args:
        traced: The network.
        policy: One entry for each of its layers.
    """
    pairs = zip(traced.graph.layers, policy.layers, strict=True)
    return {layer.weight: _name_weights(layer.weight) for layer, entry in pairs if entry.correction is not None}


def join_weights(parts: Sequence[Tensor]) -> Tensor:
    """The weight that the weights of the layers in place of one layer stand for, shape (out, in, ...).

    Args:
        parts: As `reduce_weight` gives them, or rounded.
    """
    if len(parts) == 1:
        return parts[0]
    first, second = parts[-2:]
    product = (second.flatten(1) @ first.flatten(1)).reshape(len(second), *first.shape[1:])
    return product if len(parts) == 2 else parts[0] + product


def name_sum(name: str) -> str:
    """The name of the node that adds the correction to the output of a layer.

    Args:
        name: The name of the node of the layer.
    """
    return f"{name} corrected"


def _name_weights(weight: str) -> tuple[str, str]:
    first, second = name_factors(weight.removesuffix(".weight"))
    return f"{first}.weight", f"{second}.weight"


def _split_node(node: Node, entry: LayerPolicy | None) -> tuple[Node, ...]:
    """The nodes in place of one: itself, a node for each factor, or itself with a node for each factor and the sum."""
    share = None if entry is None else entry.low_rank or entry.correction
    if share is None:
        return (node,)
    operators, weights = factorize_operator(node.operator, share), _name_weights(node.parameters[0])
    names = name_factors(node.name)
    first = Node(names[0], operators[0], node.inputs, weights[:1])
    if isinstance(share, LowRank):
        return first, Node(node.name, operators[1], (first.name,), (weights[1], *node.parameters[1:]))
    second = Node(names[1], operators[1], (first.name,), weights[1:])
    return node, first, second, Node(name_sum(node.name), Add(), (node.name, second.name))
