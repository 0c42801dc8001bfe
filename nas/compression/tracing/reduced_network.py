"""What a policy makes of a network besides rounding: layers of low rank become two layers, weights become zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from nas.compression.low_rank.factorization import split_weight
from nas.compression.low_rank.svd import find_singular_directions
from nas.compression.tracing.sparse_weight import prune_weight
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.compressed_layer import name_factors
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.weight_steps import to_output_first, to_stored_layout
from search_spaces.low_rank import factorize_operator, find_rank
from search_spaces.network_graph import Node, WeightedLayer
from search_spaces.sparsity import check_sparsity


def reduce_network(
    traced: TracedNetwork, policy: CompressionPolicy, directions: Mapping[str, Tensor] | None = None
) -> tuple[TracedNetwork, tuple[LayerPolicy, ...]]:
    """A network at full precision with factors and zeros, and the policy of each of its layers.

    A layer of low rank becomes two, one after the other; the second has its name in the graph, bias and readers. Other
    layers that have no zeros share their tensors with the network.

    Args:
        traced: The network; it is not changed.
        policy: One entry for each of `traced.graph.layers`.
        directions: Of outputs, by name of the weight, shape (out, most) each (`Factorization.find_directions`); None
            takes singular vectors.

    Returns:
        The network, and for each of its `graph.layers` the policy without low rank.

    Raises:
        ValueError: If the policy has more or fewer entries than the network has layers, or a layer cannot be of its
            rank or not be sparse in its way.
    """
    layers = traced.graph.layers
    if len(policy.layers) != len(layers):
        raise ValueError(f"the policy must have one entry per layer ({len(layers)}), got {len(policy.layers)}")
    tensors, factored, entries = dict(traced.parameters), dict[str, LayerPolicy](), list[LayerPolicy]()
    for layer, entry in zip(layers, policy.layers, strict=True):
        rest = replace(entry, low_rank=None)
        entries += [rest] if entry.low_rank is None else [rest, rest]
        if entry == replace(rest, sparsity=None):
            continue
        weight = to_output_first(traced.parameters[layer.weight], layer.operator)
        parts = reduce_weight(weight, layer, entry, None if directions is None else directions.get(layer.weight))
        if entry.low_rank is None:
            tensors[layer.weight] = to_stored_layout(parts[0], layer.operator).contiguous()
        else:
            factored[layer.weight] = entry
            tensors |= dict(zip(_name_weights(layer.weight), parts, strict=True))
    nodes = [one for node in traced.graph.nodes for one in _split_node(node, factored.get(node.weight or ""))]
    return replace(traced, graph=replace(traced.graph, nodes=tuple(nodes)), parameters=tensors), tuple(entries)


def reduce_weight(
    weight: Tensor, layer: WeightedLayer, policy: LayerPolicy, directions: Tensor | None = None
) -> tuple[Tensor, ...]:
    """The weights, at full precision, of the layers that run in place of a layer: itself with zeros, or its factors.

    Args:
        weight: Its weight, shape (out, in, ...).
        layer: The layer.
        policy: Its policy.
        directions: Orthonormal directions of its outputs, shape (out, most); None takes singular vectors.

    Returns:
        One weight, or two whose product is one of low rank; output channels first; they require gradients as it does.

    Raises:
        ValueError: If the layer cannot be of that rank or not be sparse in that way.
    """
    parts, operators = [weight.detach()], [unit.call.operator for unit in layer.units]
    if policy.low_rank is not None:
        rank = find_rank(layer.operator, policy.low_rank)
        pairs = [factorize_operator(operator, policy.low_rank) for operator in operators]
        if directions is None:
            directions = find_singular_directions(weight.detach())
        first, second = split_weight(weight.detach(), directions, rank)
        parts, operators = (
            [first, second.reshape(pairs[0][1].weight_shape or ())],
            [one for two in pairs for one in two],
        )
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


def multiply_factors(parts: Sequence[Tensor]) -> Tensor:
    """The weight that one or two weights in a row stand for, shape (out, in, ...).

    Args:
        parts: As `reduce_weight` gives them, or rounded.
    """
    if len(parts) == 1:
        return parts[0]
    first, second = parts
    return (second.flatten(1) @ first.flatten(1)).reshape(len(second), *first.shape[1:])


def _name_weights(weight: str) -> tuple[str, str]:
    first, second = name_factors(weight.removesuffix(".weight"))
    return f"{first}.weight", f"{second}.weight"


def _split_node(node: Node, entry: LayerPolicy | None) -> tuple[Node, ...]:
    """The nodes in place of one: itself, or a node for each factor."""
    if entry is None or entry.low_rank is None:
        return (node,)
    operators, weights = factorize_operator(node.operator, entry.low_rank), _name_weights(node.parameters[0])
    first = Node(name_factors(node.name)[0], operators[0], node.inputs, weights[:1])
    return first, Node(node.name, operators[1], (first.name,), (weights[1], *node.parameters[1:]))
