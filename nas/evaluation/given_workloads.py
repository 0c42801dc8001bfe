"""The workload of a candidate of a given network: the network itself as ONNX, under the candidate's policies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from hardware.device import INT7, INT8, Device
from hardware.profiling.workload import OnnxNetwork
from nas.compression.pruning.narrow_network import narrow_network, remove_blocks
from nas.compression.tracing.compress import compress
from nas.compression.tracing.quantized_graph import find_quantize_nodes, quantize_activations
from nas.compression.tracing.trace import TracedNetwork
from nas.export.onnx_graph_network import template_to_onnx
from nas.export.onnx_template import OnnxTemplate, Quantized
from search_spaces.candidate import Architecture, Candidate
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.families.given import GivenSpace
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.weighted import Embedding
from search_spaces.removable_blocks import RemovableBlocks
from search_spaces.search_space import SearchSpace

_REMEMBERED = 16  # architectures, each of which was exported to ONNX in seconds; a policy takes far less


class GivenWorkloads:
    """Makes the workload that a profiler times for a candidate of a given network.

    Args:
        traced: The network, with one input of floating-point numbers.
        space: Its space, which knows the channels and blocks that a candidate keeps; None if all of them stay.
    """

    def __init__(self, traced: TracedNetwork, space: SearchSpace | None = None) -> None:
        self._traced, self._space = traced, space
        self._templates = lru_cache(_REMEMBERED)(self._make_template)

    def __call__(self, candidate: Candidate, device: Device) -> OnnxNetwork:
        """The ONNX network, in which those layers are quantised that the device executes at 8 bits.

        Args:
            candidate: A candidate of the network's space.
            device: The device, which says in which precision it executes each policy, and with which batch size.

        Raises:
            ValueError: If the device has no precision for a policy.
        """
        executed = [device.executed_as(policy) for policy in candidate.policy.layers]
        ((_, shape),) = self._traced.graph.inputs
        template, graph = self._templates(candidate.architecture)
        return OnnxNetwork(template.form(_find_quantized(graph, executed)), (device.batch, *shape))

    def _make_template(self, architecture: Architecture) -> tuple[OnnxTemplate, NetworkGraph]:
        traced, whole = self._traced, self._traced.graph
        if isinstance(self._space, GivenSpace):
            if (kept := self._space.keep(architecture)) is not None:
                traced = narrow_network(traced, CoupledChannels.from_graph(whole), kept)
            if removed := self._space.find_removed(architecture):
                traced = remove_blocks(traced, RemovableBlocks.from_graph(whole), removed)
        graph = traced.graph
        network = compress(traced, CompressionPolicy((LayerPolicy(),) * len(graph.layers)))
        examples = [
            torch.zeros(graph.batch or 2, *shape, dtype=torch.int64 if _is_tokens(graph, name) else torch.float32)
            for name, shape in graph.inputs
        ]
        model, weights = template_to_onnx(network, examples)
        return OnnxTemplate(model, graph, weights), graph


def _find_quantized(graph: NetworkGraph, executed: Sequence[LayerPolicy]) -> Quantized:
    """Which calls of layers the export quantises: their weights, their inputs and their outputs.

    An embedding is quantised in its weight only. An input has a quantiser of its own only if it does not come
    straight from a layer whose output is quantised already.
    """
    calls = {
        unit.call.name: unit
        for layer, policy in zip(graph.layers, executed, strict=True)
        for unit in layer.units
        if policy in (INT7.policy, INT8.policy)
    }
    narrow = {
        unit.call.name
        for layer, policy in zip(graph.layers, executed, strict=True)
        for unit in layer.units
        if policy == INT7.policy
    }
    computed = {name: unit for name, unit in calls.items() if not isinstance(unit.call.operator, Embedding)}
    found = quantize_activations(graph, [policy.activation_bits for policy in executed])
    read = {node.name: node.inputs[0] for node in found.nodes if node.name in computed}
    quantizers = find_quantize_nodes(found)
    sources = {node.name: node.inputs[0] for node in found.nodes if node.name in quantizers}
    outputs = {unit.rescaled.name for unit in computed.values()}
    inputs = [name for name in computed if read[name] in sources and sources[read[name]] not in outputs]
    return Quantized(frozenset(calls), frozenset(inputs), frozenset(computed), frozenset(narrow))


def _is_tokens(graph: NetworkGraph, name: str) -> bool:
    """Whether an input is read as indices of rows of an embedding, such as tokens, and so holds integers."""
    return any(isinstance(node.operator, Embedding) for node in graph.readers[name])
