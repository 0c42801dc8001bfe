"""An order of layers by the rank of the attention maps that they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.compression.sensitivity.effective_rank import compute_effective_rank
from nas.compression.sensitivity.ordinal_damage import rank_damage
from nas.compression.sensitivity.policy_runs import walk_values
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.pointwise import Softmax
from search_spaces.operators.products import Add, Attention, MatrixProduct


@dataclass(frozen=True)
class AttentionRank(SensitivityMetric):
    """ARank of Luo et al., "gamma-MoD", 2024: attentions whose maps have a low rank are redundant.

    The score of the projections of an attention is the effective rank of its map, mean over heads and samples. The
    authors take the numerical rank of the causal map with its diagonal zeroed, which in exact arithmetic is one less
    than the number of tokens for every map, so that the type of numbers decides; the effective rank of the map itself
    needs no tolerance. Of layers outside of attentions it says nothing: they count as those that matter most. The
    damage is that of an order, see `rank_damage`; activations are not considered.
    """

    def check(self, subject: CompressionSubject) -> None:
        """Data, and an attention that is understood."""
        subject.need_data()
        if next(_find_attentions(subject.traced.graph), None) is None:
            raise ValueError(
                "this metric orders attentions, and the network has none that is understood; take effective_rank"
            )

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,).

        Raises:
            ValueError: If the network has no attention that is understood.
        """
        score = self.score(subject)
        return rank_damage(subject, np.where(np.isnan(score), np.inf, score))

    def score(self, subject: CompressionSubject) -> FloatArray:
        """The effective rank of the map that a layer serves, from 1 to the number of tokens, shape (layers,).

        It is NaN for a layer outside of attentions; a layer that serves several maps has their mean.

        Args:
            subject: A network with data.

        Raises:
            ValueError: If the network has no attention that is understood.
        """
        self.check(subject)
        graph, data = subject.traced.graph, subject.need_data()
        attentions = [*_find_attentions(graph)]
        ranks = np.zeros(len(attentions))
        for inputs in data:
            ranks += _rank_maps(subject, attentions, inputs) * len(inputs) / len(data)
        names = [{unit.call.name for unit in layer.units} for layer in graph.layers]
        served = [_find_projections(graph, node) for node in attentions]
        found = [[rank for rank, calls in zip(ranks, served, strict=True) if calls & known] for known in names]
        return np.array([np.mean(known) if known else np.nan for known in found])


def _find_attentions(graph: NetworkGraph) -> Iterator[Node]:
    """The nodes that hold or make maps: fused attentions, and softmaxes that a product with values reads."""
    for node in graph.nodes:
        reads = [reader for reader in graph.readers[node.name] if isinstance(reader.operator, MatrixProduct)]
        if isinstance(node.operator, Attention) or (isinstance(node.operator, Softmax) and reads):
            yield node


@torch.no_grad()
def _rank_maps(subject: CompressionSubject, attentions: list[Node], inputs: Tensor) -> FloatArray:
    """The mean effective rank of the maps of each attention for one batch, shape (attentions,)."""
    wanted = {name for node in attentions for name in (node.name, *node.inputs)}
    values = dict(walk_values(subject.traced.network(), wanted, inputs))
    maps = [
        _compute_map(node.operator, node, values) if isinstance(node.operator, Attention) else values[node.name]
        for node in attentions
    ]
    return np.array([float(compute_effective_rank(torch.linalg.svdvals(one.double())).mean()) for one in maps])


def _compute_map(operator: Attention, node: Node, values: dict[str, Tensor]) -> Tensor:
    """The map of a fused attention: what it makes of values that are the rows of an identity."""
    query, key, value, *mask = (values[name] for name in node.inputs)
    identity = torch.eye(key.shape[-2], dtype=value.dtype).expand(*value.shape[:-1], -1)
    return run_operator(operator, [query, key, identity, *mask])


def _find_projections(graph: NetworkGraph, attention: Node) -> set[str]:
    """The calls of layers that make queries, keys and values, and those that read what an attention gives."""
    by_name = {node.name: node for node in graph.nodes}
    joined = [attention]
    if isinstance(attention.operator, Softmax):  # the values come in behind the map
        joined += [one for one in graph.readers[attention.name] if isinstance(one.operator, MatrixProduct)]

    def read_by(node: Node) -> Iterator[Node]:
        return (by_name[name] for name in node.inputs if name in by_name)

    def readers(node: Node) -> Iterator[Node]:  # behind a sum, what is read is no more of this attention alone
        return (one for one in graph.readers[node.name] if not isinstance(one.operator, Add))

    return _find_nearest_layers(joined, read_by) | _find_nearest_layers(joined, readers)


def _find_nearest_layers(starts: list[Node], neighbours: Callable[[Node], Iterable[Node]]) -> set[str]:
    """The calls of layers that are reached from nodes without passing another layer."""
    left, seen, found = [*starts], {node.name for node in starts}, set[str]()
    while left:
        for node in neighbours(left.pop()):
            if node.name in seen:
                continue
            seen.add(node.name)
            if node.weight is not None:
                found.add(node.name)
            else:
                left.append(node)
    return found
