"""Network models: whole networks as serialised ONNX with random weights, to be timed.

They have the nodes of exported networks, so that a runtime optimises both alike, and are built in milliseconds, where
an export takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto

from hardware.device import FP32
from hardware.profiling.layer_model import BUILT_POLICIES
from hardware.profiling.onnx_graph import MIDDLE, ZERO, OnnxGraph
from hardware.profiling.workload import OnnxNetwork, RandomNetwork
from search_spaces.compression_policy import LayerPolicy
from search_spaces.dataflow import IMAGES
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.operator import Shape


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of the graph under construction.

    Attributes:
        name: Name of the value as floats.
        shape: Shape for one input, without the batch axis.
        positive: Whether it is never below zero.
        codes: Name and zero point of the codes of which it is the dequantised value; None if it has no codes.
    """

    name: str
    shape: Shape
    positive: bool = False
    codes: tuple[str, np.uint8] | None = None


def build_network_model(network: RandomNetwork, batch: int = 1) -> OnnxNetwork:
    """A network with random weights; its input is `images`, shape (batch, channels, size, size).

    Args:
        network: The network.
        batch: Number of images per inference.

    Raises:
        ValueError: If a layer is executed as another policy than `BUILT_POLICIES`.
    """
    nodes = network.nodes
    strange = [str(policy) for _, policy in network.layers.values() if policy not in BUILT_POLICIES]
    if strange:
        raise ValueError(f"a network model is built at {', '.join(map(str, BUILT_POLICIES))}, got {strange[0]}")
    built = _NetworkBuilder(values={IMAGES: _Value(IMAGES, network.inputs[IMAGES])})
    for node in nodes:
        inputs, placed = [built.values[name] for name in node.inputs], network.layer_at(node)
        built.values[node.name] = built.add_layer(inputs[0], *placed) if placed else built.add_operator(node, inputs)
    shape: tuple[int | str, ...] = ("batch", *network.inputs[IMAGES])
    outputs = [built.values[nodes[-1].name].name]
    return built.graph.network(IMAGES, TensorProto.FLOAT, shape, outputs, TensorProto.FLOAT, batch)


@dataclass
class _NetworkBuilder:
    """A graph under construction, and the values of its nodes so far, by name."""

    graph: OnnxGraph = field(default_factory=OnnxGraph)
    values: dict[str, _Value] = field(default_factory=dict)

    def add_layer(self, value: _Value, layer: LayerSpec, policy: LayerPolicy) -> _Value:
        """Adds a layer that reads a value, with the quantisers that its policy needs; returns its output."""
        graph, name, shape = self.graph, value.name, layer.output_shape
        positive = layer.activation == RELU
        if policy == FP32.policy:
            if value.codes is not None:
                name = graph.dequantize(*value.codes, value.shape[0])
            return _Value(graph.float_layer(name, layer), shape, positive)
        zero_point = ZERO if value.positive else MIDDLE
        name = graph.dequantize(graph.quantize(name, zero_point), zero_point)
        codes = graph.int8_layer(name, layer, policy.weight_bits)
        name = graph.dequantize(*codes)
        if layer.activation in (None, RELU):
            return _Value(name, shape, positive, codes)
        return _Value(graph.activation(name, layer.activation), shape)

    def add_operator(self, node: Node, values: Sequence[_Value]) -> _Value:
        """Adds a node without weights that reads values; returns its output."""
        shapes = [value.shape for value in values]
        name = self.graph.operator(node.operator, *(value.name for value in values), shape=shapes[0])
        return _Value(name, node.operator.output_shape(*shapes), node.operator == RELU)
