"""Layers of low rank, and corrections, cut to smaller ranks: the first components of each are kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from nas.compression.rounding.fixed_steps import FixedSteps
from search_spaces.compressed_layer import name_factors
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.weight_groups import check_group_size

_FIRST = name_factors("")[0]  # how the names of all first factors end


def list_factors(graph: NetworkGraph) -> dict[str, tuple[str, str]]:
    """The weights of the first and the second factor, by the name of the layer that they run in place of or beside.

    Args:
        graph: The graph of a compressed network.
    """
    layers = [layer.name.removesuffix(_FIRST) for layer in graph.layers if layer.name.endswith(_FIRST)]
    pairs = {layer: name_factors(layer) for layer in layers}
    return {layer: (f"{first}.weight", f"{second}.weight") for layer, (first, second) in pairs.items()}


@torch.no_grad()
def measure_importance(network: GraphNetwork) -> dict[str, Tensor]:
    """What each component of the layers of low rank contributes: the norm of its share of the product, shape (rank,).

    The norm of the outer product of a row of the first factor and a column of the second, which is the product of their
    norms (Horváth et al., "Maestro", ICML 2024, section 3.3). In a network that was trained by `NestedRanks`, it falls.

    Args:
        network: A compressed network.

    Returns:
        The importances by name of the layer.
    """
    return {
        layer: network.tensor(first).flatten(1).norm(dim=1) * network.tensor(second).flatten(1).norm(dim=0)
        for layer, (first, second) in list_factors(network.graph).items()
    }


def find_ranks(network: GraphNetwork, least: float = 0.01) -> dict[str, int]:
    """The smallest ranks, by layer, behind which no component reaches a share of the largest importance of its layer.

    Where all components are zero, that is a rank of 1, the smallest that a layer can have, unless the share is 0.

    Args:
        network: A compressed network.
        least: The share, from 0, which keeps all components, to 1.

    Raises:
        ValueError: If the share is outside, or an importance is not finite, as of weights that are NaN.
    """
    if not 0 <= least <= 1:
        raise ValueError(f"the least share of an importance must be from 0 to 1, got {least}")
    found = {}
    for layer, importance in measure_importance(network).items():
        if not importance.isfinite().all():
            raise ValueError(
                f"the importance of components must be finite, got {float(importance[~importance.isfinite()][0])} in "
                f"{layer}; take weights that are finite, such as those from before the training diverged"
            )
        if least > 0 and not importance.any():
            found[layer] = 1  # every component reaches a share of 0, so the rule below would keep them all
            continue
        (reaching,) = (importance >= least * importance.max()).nonzero(as_tuple=True)
        found[layer] = int(reaching[-1]) + 1
    return found


@torch.no_grad()
def truncate_network(network: GraphNetwork, ranks: Mapping[str, int]) -> GraphNetwork:
    """A network with the first components of some of its layers, which computes as if all others were zero.

    Args:
        network: A compressed and calibrated network; it is not changed, and tensors are copied.
        ranks: How many components are kept, by name of the layer; layers that are not named keep all.

    Raises:
        ValueError: If a layer has no factors, or a rank is below 1 or above that of its layer, or is no multiple of the
            group size of the weights of the second factor.
    """
    cuts = _find_cuts(network.graph, ranks)
    graph = replace(network.graph, nodes=tuple(_narrow(node, cuts) for node in network.graph.nodes))
    tensors = {}
    for name in graph.parameter_shapes:
        tensor = network.tensor(name)
        kept = tensor.detach().narrow(*cuts[name]) if name in cuts else tensor.detach()
        tensors[name] = kept.clone().requires_grad_(tensor.requires_grad)
    modules = {node.name: network.node_module(node.name) for node in graph.nodes}
    there = {name: copy.deepcopy(module) for name, module in modules.items() if module is not None}
    found = GraphNetwork(graph, tensors, there)
    for layer in graph.layers:
        name, quantizer = layer.weight, network.weight_quantizer(layer.weight)
        if quantizer is None or quantizer.bits == FULL_PRECISION_BITS:
            continue
        whole = to_output_first(network.tensor(name).detach(), layer.operator)
        steps = quantizer.steps(whole).view(len(whole), -1)  # of each output, and group of inputs
        if name in cuts:
            axis, _, rank = cuts[name]
            if axis == 1 and quantizer.group_size is not None:
                check_group_size(layer.operator, quantizer.group_size)
                rank //= quantizer.group_size
            steps = steps.narrow(axis, 0, min(rank, steps.shape[axis]))
        found.round_weight(name, quantizer.bits, FixedSteps.of(steps.flatten()), quantizer.group_size)
    return found.train(network.training)


def _find_cuts(graph: NetworkGraph, ranks: Mapping[str, int]) -> dict[str, tuple[int, int, int]]:
    """What is kept of the weights of factors: axis, start and length, by the name of the weight."""
    factors, cuts = list_factors(graph), dict[str, tuple[int, int, int]]()
    for layer, rank in ranks.items():
        if layer not in factors:
            raise ValueError(f"a rank is that of a layer with factors, {', '.join(factors) or 'none'}; got {layer!r}")
        first, second = factors[layer]
        whole = graph.parameter_shapes[first][0]
        if not 1 <= rank <= whole:
            raise ValueError(f"the rank of {layer} must be from 1 to {whole}, got {rank}")
        cuts |= {first: (0, 0, rank), second: (1, 0, rank)}
    return cuts


def _narrow(node: Node, cuts: Mapping[str, tuple[int, int, int]]) -> Node:
    """A node with as many outputs or inputs as are kept of its weight."""
    if node.weight is None or node.weight not in cuts:
        return node
    (axis, _, rank), operator = cuts[node.weight], node.operator
    if isinstance(operator, Linear):
        narrow = replace(operator, in_features=rank) if axis else replace(operator, out_features=rank)
        return replace(node, operator=narrow)
    assert isinstance(operator, Convolution)
    cut = replace(operator, in_channels=rank) if axis else replace(operator, out_channels=rank)
    return replace(node, operator=cut)
