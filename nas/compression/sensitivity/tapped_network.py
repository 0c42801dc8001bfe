"""A network whose layers can be asked for gradients: by their weights, sample by sample, and by what they round.

One backward pass serves all layers. The weights need no gradients of their own: those of single samples follow from the
input of a layer and the gradient of its output.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from nas.compression.sensitivity.policy_runs import join_outputs
from nas.compression.sensitivity.sample_gradients import compute_sample_gradients
from nas.compression.tracing.quantized_graph import Quantize, quantize_activations
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.network_graph import NetworkGraph, Node, WeightedLayer

_ANY_BITS = 8  # where activations are rounded does not depend on the bits
_RETURN = "the outputs"  # reads what a network returns


@dataclass(frozen=True)
class Site:
    """A value that is rounded where a layer is quantised: its input, or its output after a fused ReLU.

    Attributes:
        value: Name of the value.
        readers: Names of the nodes that read the rounded value; `_RETURN` if the network returns it.
    """

    value: str
    readers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """Gradients by one layer.

    Attributes:
        weight: By the weight, for each sample, shape (samples, weights). Where the samples of a batch cannot be told
            apart, as in an embedding of positions, there is one row, of the sum over samples.
        sites: By each value of `TappedNetwork.sites`, shape (samples, ...).
    """

    weight: Tensor
    sites: tuple[Tensor, ...]


class TappedNetwork:
    """Runs a network and keeps what its layers read, write and round in the last forward pass.

    Args:
        traced: The network; it is not changed.
        trainable: Whether gradients can be taken by the weights themselves, as `variables` gives them.
    """

    def __init__(self, traced: TracedNetwork, trainable: bool = False) -> None:
        self.graph = traced.graph
        self.sites = tuple(_find_sites(traced.graph, layer) for layer in range(len(traced.graph.layers)))
        self._calls = [unit.call for layer in traced.graph.layers for unit in layer.units]
        edges = [(one.value, reader) for sites in self.sites for one in sites for reader in one.readers]
        edges += [edge for call in self._calls for edge in ((call.inputs[0], call.name), (call.name, call.name))]
        self._taps = {_name_tap(*edge): _Tap() for edge in edges}
        self._parameters = {name: tensor.detach() for name, tensor in traced.parameters.items()}
        if trainable:
            for layer in traced.graph.layers:
                self._parameters[layer.weight].requires_grad_()
        self._network = GraphNetwork(_insert_taps(traced.graph, self._taps), self._parameters, self._taps).eval()

    @cached_property
    def weights(self) -> tuple[Tensor, ...]:
        """The weight of each layer, shape (out, ...)."""
        return tuple(to_output_first(self._parameters[layer.weight], layer.operator) for layer in self.graph.layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """The joined outputs for a batch, shape (batch, ...), from which gradients can be taken."""
        with torch.enable_grad():
            return join_outputs(self._network(inputs))

    def values(self, layer: int) -> tuple[Tensor, ...]:
        """The values of the sites of a layer in the last forward pass, each of shape (batch, ...)."""
        return tuple(self._taps[_name_tap(one.value, one.readers[0])].kept for one in self.sites[layer])

    def read_and_written(self, call: Node) -> tuple[Tensor, Tensor]:
        """What a call of a layer has read and written in the last forward pass, each of shape (batch, ...).

        Args:
            call: The node of a unit of a layer.
        """
        names = (_name_tap(call.inputs[0], call.name), _name_tap(call.name, call.name))
        read, written = (self._taps[name].kept.detach() for name in names)
        return read, written

    def variables(self, layer: int) -> tuple[tuple[Tensor, ...], ...]:
        """What gradients of a loss can be taken by after `forward`: the stored weight of a layer, then each site.

        The value of a site has shape (batch, ...). There is one tensor of it for each reader, equal in value; its
        gradient is the sum of theirs.
        """
        weight = self._network.tensor(self.graph.layers[layer].weight)
        taps = [
            tuple(self._taps[_name_tap(one.value, reader)].kept for reader in one.readers) for one in self.sites[layer]
        ]
        return ((weight,), *taps)

    def gradients(self, outputs: Tensor, weights: Tensor) -> Iterator[LayerGradients]:
        """The gradients of a weighted sum of outputs, layer by layer. They can be asked for several times.

        Args:
            outputs: What `forward` gave last, shape (batch, ...).
            weights: Of the same shape.
        """
        taps = [tap for tap in self._taps.values() if tap.kept.requires_grad]  # token numbers do not
        kept = [tap.kept for tap in taps]
        found = torch.autograd.grad(outputs, kept, weights, retain_graph=True, materialize_grads=True)
        by_tap = dict(zip(taps, found, strict=True))
        for layer, sites in zip(self.graph.layers, self.sites, strict=True):
            yield LayerGradients(
                self._by_weight(layer, by_tap, len(outputs)), tuple(self._by_site(one, by_tap) for one in sites)
            )

    def _by_site(self, site: Site, by_tap: dict[_Tap, Tensor]) -> Tensor:
        parts = [by_tap[self._taps[_name_tap(site.value, reader)]] for reader in site.readers]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)

    def _by_weight(self, layer: WeightedLayer, by_tap: dict[_Tap, Tensor], samples: int) -> Tensor:
        parts = []
        for unit in layer.units:
            call = unit.call
            read, _ = self.read_and_written(call)
            written = by_tap[self._taps[_name_tap(call.name, call.name)]]
            parameters = [self._parameters[name] for name in call.parameters]
            parts.append(compute_sample_gradients(call.operator, read, written, parameters, samples))
        if len({len(part) for part in parts}) > 1:
            parts = [part.sum(0, keepdim=True) for part in parts]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


class _Tap(nn.Module):
    """Passes a value on, and keeps what it passed on as a tensor that gradients can be taken by."""

    kept: Tensor

    def forward(self, value: Tensor) -> Tensor:
        passed = value.view_as(value)
        if passed.is_floating_point() and not passed.requires_grad and torch.is_grad_enabled():
            passed = passed.detach().requires_grad_()
        self.kept = passed
        return passed


def _find_sites(graph: NetworkGraph, layer: int) -> tuple[Site, ...]:
    """Where activations are rounded if one layer is quantised."""
    bits = [FULL_PRECISION_BITS] * len(graph.layers)
    bits[layer] = _ANY_BITS
    rounded = quantize_activations(graph, bits)
    sites = []
    for node in rounded.nodes:
        if isinstance(node.operator, Quantize):
            readers = [other.name for other in rounded.nodes if node.name in other.inputs]
            readers += [_RETURN] * (node.name in rounded.outputs)
            sites.append(Site(node.inputs[0], tuple(readers)))
    return tuple(sites)


def _name_tap(value: str, reader: str) -> str:
    return f"{value} as {reader} reads it"


def _insert_taps(graph: NetworkGraph, taps: Collection[str]) -> NetworkGraph:
    """A graph with a node for each tap: between a value and one of its readers, or behind the node that writes it.

    Args:
        graph: The graph.
        taps: Names of the taps.
    """
    nodes: dict[str, Node] = {}

    def read(name: str, reader: str) -> str:
        written, tap = _name_tap(name, name), _name_tap(name, reader)
        current = written if written in nodes else name
        if tap in taps:
            nodes[tap] = Node(tap, Quantize(FULL_PRECISION_BITS), (current,))
        return tap if tap in taps else current

    for node in graph.nodes:
        nodes[node.name] = replace(node, inputs=tuple(read(name, node.name) for name in node.inputs))
        if (written := _name_tap(node.name, node.name)) in taps:
            nodes[written] = Node(written, Quantize(FULL_PRECISION_BITS), (node.name,))
    outputs = tuple(read(name, _RETURN) for name in graph.outputs)
    return replace(graph, nodes=tuple(nodes.values()), outputs=outputs)
