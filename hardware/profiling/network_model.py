"""Network models: whole networks with random weights, to be timed.

In: nodes of a network and its layers, each with the policy of its kernel. Out: serialised ONNX. Knows no table and no
trained weights.

They have the form of exported networks, node by node, so that a runtime makes the same of both, and take milliseconds
to build where an export takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto

from hardware.device import FP32, INT8
from hardware.profiling.onnx_graph import MIDDLE, ZERO, OnnxGraph
from hardware.profiling.workload import OnnxNetwork, RandomNetwork
from search_spaces.compression_policy import LayerPolicy
from search_spaces.dataflow import IMAGES, Node
from search_spaces.layers import RELU, LayerSpec


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of the graph under construction.

    Attributes:
        name: Of the float value.
        channels: Its channels.
        size: Side of its feature map in pixels.
        positive: Whether it is never below zero.
        codes: Name and zero point of the codes that it was read from, where a layer may read them itself.
    """

    name: str
    channels: int
    size: int
    positive: bool = False
    codes: tuple[str, np.uint8] | None = None


def network_model(network: RandomNetwork, batch: int = 1) -> OnnxNetwork:
    """A network with random weights; its input is `images`, shape (batch, channels, size, size).

    Args:
        network: Its kernels are floating point, or 8 bits.
        batch: Images per inference.

    Raises:
        ValueError: If a kernel is another one.
    """
    nodes, layers = network.nodes, network.layers
    strange = [str(policy) for _, policy in layers.values() if policy not in (FP32.policy, INT8.policy)]
    if strange:
        raise ValueError(f"a network model is built at {FP32.policy} or {INT8.policy}, got {strange[0]}")
    first = layers[nodes[0].name][0]
    drawing = _Drawing(values={IMAGES: _Value(IMAGES, first.input_shape[0], first.input_shape[1])})
    for node in nodes:
        inputs = [drawing.values[name] for name in node.inputs]
        drawing.values[node.name] = (
            drawing.layer(inputs[0], *layers[node.name]) if node.kind == "layer" else drawing.joined(node, inputs)
        )
    shape: tuple[int | str, ...] = ("batch", *first.input_shape)
    outputs = [drawing.values[nodes[-1].name].name]
    return drawing.graph.network(IMAGES, TensorProto.FLOAT, shape, outputs, TensorProto.FLOAT, batch)


@dataclass
class _Drawing:
    graph: OnnxGraph = field(default_factory=OnnxGraph)
    values: dict[str, _Value] = field(default_factory=dict)

    def layer(self, value: _Value, layer: LayerSpec, kernel: LayerPolicy) -> _Value:
        graph, name, codes = self.graph, value.name, value.codes
        if len(layer.input_shape) == 1:
            name, codes = graph.node("Flatten", [name]), None
        shape, positive = (layer.out_channels, (*layer.output_shape, 1)[1]), layer.activation == RELU
        if kernel == FP32.policy:
            if codes is not None:
                name = graph.dequantize(*codes, value.channels)
            return _Value(graph.float_layer(name, layer), *shape, positive)
        zero_point = ZERO if value.positive else MIDDLE
        name = graph.dequantize(graph.quantize(name, zero_point), zero_point)
        codes = graph.int8_layer(name, layer)
        name = graph.dequantize(*codes)
        if layer.activation in (None, RELU):
            return _Value(name, *shape, positive, codes)
        return _Value(graph.activation(name, layer.activation), *shape)

    def joined(self, node: Node, values: Sequence[_Value]) -> _Value:
        graph, first = self.graph, values[0]
        if node.kind == "pool":
            return _Value(graph.node("GlobalAveragePool", [first.name]), first.channels, 1)
        if node.kind == "gate":
            return _Value(graph.node("Mul", [value.name for value in values]), first.channels, first.size)
        total = graph.node("Add", [first.name, self._fitted(values[1], first)])
        positive = node.activation == RELU
        return _Value(graph.activation(total, node.activation), first.channels, first.size, positive)

    def _fitted(self, value: _Value, to: _Value) -> str:
        """A shortcut, subsampled and padded with zeros where it has another shape."""
        name, stride, channels = value.name, -(-value.size // to.size), to.channels - value.channels
        for axis in (2, 3) if stride > 1 else ():
            pixels = (self.graph.constant(np.array([number])) for number in (0, value.size, axis, stride))
            name = self.graph.node("Slice", [name, *pixels])
        if channels:
            pads = np.array([0, channels // 2, 0, 0, 0, channels - channels // 2, 0, 0])
            name = self.graph.node("Pad", [name, self.graph.constant(pads)])
        return name
