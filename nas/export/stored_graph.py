"""A network graph with its quantisers as values of JSON and tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nas.compression.tracing.quantized_graph import Quantize, find_quantize_nodes
from nas.compression.tracing.trace import TracedNetwork
from nas.export.opaque_check import check_opaque_calls
from nas.export.stored_parts import (
    NETWORK,
    STEPS,
    STORED_OPERATORS,
    StoredActivation,
    check_bits,
    check_operators,
    read_steps,
)
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.network_graph import NetworkGraph
from search_spaces.quoting import list_names, quote_name
from search_spaces.weight_groups import check_group_size, count_steps


@dataclass(frozen=True)
class StoredWeight:
    """How a weight is rounded, in the steps of a tensor beside it.

    Attributes:
        bits: Bits of a code.
        group_size: Input channels that share a step; None if an output channel has one step.
    """

    bits: int
    group_size: int | None


@dataclass(frozen=True)
class StoredGraph:
    """What a `GraphNetwork` is besides its tensors.

    Attributes:
        graph: The JSON of the graph, with the nodes that round activations.
        trained: Names of the tensors that are parameters; all others are buffers.
        weights: How weights are rounded, by name; those that are not named are not.
        activations: How each of the nodes rounds that round activations, by name.
    """

    graph: str
    trained: tuple[str, ...]
    weights: Mapping[str, StoredWeight]
    activations: Mapping[str, StoredActivation]

    @classmethod
    def of(cls, network: GraphNetwork) -> tuple[StoredGraph, dict[str, Tensor]]:
        """What a network is, and by name its tensors, and the steps of its rounded weights, shape (rows,) each.

        Raises:
            ValueError: If it is not calibrated, or a node is run by a module that is no quantiser.
        """
        graph, activations = network.graph, dict[str, StoredActivation]()
        for node in graph.nodes:
            module = network.node_module(node.name)
            if isinstance(module, ActivationQuantizer) and isinstance(node.operator, Quantize):
                activations[node.name] = StoredActivation.of(module, node.name)
            elif module is not None:
                raise ValueError(f"node {quote_name(node.name)} is run by {type(module).__name__}, which is code")
        stored = {name: network.tensor(name) for name in graph.parameter_shapes}
        trained = tuple(name for name, tensor in stored.items() if tensor.requires_grad)
        tensors, weights = {f"{NETWORK}{name}": tensor for name, tensor in stored.items()}, {}
        for layer in graph.layers:
            quantizer = network.weight_quantizer(layer.weight)
            if quantizer is not None and quantizer.bits != FULL_PRECISION_BITS:
                weights[layer.weight] = StoredWeight(quantizer.bits, quantizer.group_size)
                first = to_output_first(stored[layer.weight].detach(), layer.operator)
                tensors[f"{STEPS}{layer.weight}"] = quantizer.steps(first).float()
        return cls(graph.to_json(), trained, weights, activations), tensors

    def list_rounded(self) -> list[str]:
        """Names of the weights that are rounded in steps of the file."""
        return [*self.weights]

    def build(self, tensors: Mapping[str, Tensor]) -> GraphNetwork:
        """The network.

        Args:
            tensors: What `of` gave, of the shapes that the graph states.

        Raises:
            ValueError: If the graph is none, tensors do not fit it, or it cannot be rounded so.
        """
        graph = NetworkGraph.from_json(self.graph, STORED_OPERATORS)
        check_operators(graph.nodes)
        _ = graph.shapes  # which refuses operators that do not fit together
        if self.activations.keys() != find_quantize_nodes(graph).keys():
            raise ValueError("each node that rounds activations, and no other, must have its bits and range")
        stored = self._read_tensors(graph, tensors)
        check_opaque_calls(graph, stored)
        operators = {layer.weight: layer.operator for layer in graph.layers}
        if others := [name for name in self.weights if name not in operators]:
            raise ValueError(f"only the weights of layers are rounded, got {list_names(others)}")
        rounding = {name: one.restore(ActivationQuantizer(one.bits), name) for name, one in self.activations.items()}
        network = GraphNetwork(graph, stored, rounding)
        for name, one in self.weights.items():
            if one.group_size is not None:
                check_group_size(operators[name], one.group_size)
            steps = read_steps(tensors, name, count_steps(operators[name], one.group_size))
            network.round_weight(name, check_bits(one.bits, name), steps, one.group_size)
        return network.eval()

    def _read_tensors(self, graph: NetworkGraph, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the graph, with a gradient those that are trained; ValueError if they are not its own."""
        found = {name.removeprefix(NETWORK): one for name, one in tensors.items() if name.startswith(NETWORK)}
        if {name: tuple(one.shape) for name, one in found.items()} != dict(graph.parameter_shapes):
            raise ValueError("it must have the tensors of its graph, name by name and of its shapes, and has others")
        floating = {name for name, one in found.items() if one.is_floating_point()}
        if others := {*self.trained, *self.weights} - floating:
            raise ValueError(f"what is trained or rounded must be of floating point, got {list_names(sorted(others))}")
        if unsound := TracedNetwork(graph, found).list_unsound_tensors():
            raise ValueError(f"weights must be finite numbers, got others in {quote_name(unsound[0])}")
        return {name: one.requires_grad_(name in self.trained) for name, one in found.items()}
