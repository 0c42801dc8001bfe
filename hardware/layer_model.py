"""Layer models: small ONNX networks that show what one layer costs inside a network.

In: a layer and the policy of a kernel. Out: serialised ONNX to be timed. Knows no table and no trained weights.

A runtime runs a lone layer differently from one within a network: it converts the layout of its input and output, and
starts a session for it alone. `layer_model` keeps that out of the measurement:

- Several copies of the layer (other weights, same input) share one conversion of the input and one session start.
- A float convolution ends in a strided pooling that keeps one pixel, so that only this one is converted back from the
  runtime's blocked layout.
- An 8-bit layer takes and gives 8-bit values, as between two 8-bit layers; a convolution takes them channels last, the
  runtime's own layout, and ends in a slice of one pixel.

`frame_model` is the same without the layers; its time is to be subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hardware.device import FP32, INT8
from hardware.profiler import Network
from search_spaces.candidate import LayerPolicy
from search_spaces.layers import LayerSpec

_COPIES = 8
_COPIED_WEIGHTS = 1 << 22  # limits that keep the models of large layers, whose borders hardly count, small and quick
_COPIED_MACS = 1 << 26
_OPSET = 21
_IR_VERSION = 10
_STEP = np.float32(0.02)  # of every quantised activation
_MIDDLE = np.uint8(128)  # zero point of activations that may be negative


def copies(layer: LayerSpec) -> int:
    """How many copies of a layer its layer model holds: 8, or fewer for large layers, but at least 1."""
    return max(1, min(_COPIES, _COPIED_WEIGHTS // layer.weights, _COPIED_MACS // layer.macs))


def layer_model(layer: LayerSpec, kernel: LayerPolicy) -> Network:
    """`copies(layer)` parallel copies of a layer, with its folded bias and activation, for one input.

    The 8-bit form is the QDQ form of exported networks: DequantizeLinear, the layer with per-channel int8 weights and
    float bias, [Relu], QuantizeLinear, and for other activations DequantizeLinear, activation, QuantizeLinear.

    Args:
        layer: The layer; its name does not matter.
        kernel: Floating point, or 8 bits of both weights and activations.

    Returns:
        A network with one float or uint8 input and one output per copy. Input shape: (1, in_channels) if linear, (1,
        in_channels, size, size) if fp32, (1, size, size, in_channels) if int8.

    Raises:
        ValueError: If the kernel is another one.
    """
    if kernel not in (FP32.policy, INT8.policy):
        raise ValueError(f"a layer model is built at {FP32.policy} or {INT8.policy}, got {kernel}")
    graph = _Graph()
    outputs = []
    if kernel == INT8.policy:
        data_type = TensorProto.UINT8
        values = graph.dequantize(_channels_first(graph, "input", layer), _MIDDLE)
        for _ in range(copies(layer)):
            outputs.append(_int8_tail(graph, _int8_unit(graph, values, layer), layer))
    else:
        data_type = TensorProto.FLOAT
        for _ in range(copies(layer)):
            outputs.append(_float_tail(graph, _float_unit(graph, "input", layer), layer))
    return graph.network(data_type, _input_shape(layer, kernel), outputs)


def frame_model() -> Network:
    """What a layer model costs without its layers: one session and one trivial node per copy."""
    graph = _Graph()
    values = "input"
    for index in range(_COPIES):  # alternating, as equal neighbours would be merged
        values = graph.node("Abs" if index % 2 else "Neg", [values])
    return graph.network(TensorProto.FLOAT, (1, 1), [values])


@dataclass
class _Graph:
    """Nodes and constants of a network under construction."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def node(self, op: str, inputs: list[str], attributes: dict[str, Any] | None = None) -> str:
        """Adds a node and returns the name of its output."""
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **(attributes or {})))
        return output

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """Adds a constant and returns its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def quantize(self, values: str, zero_point: np.uint8) -> str:
        return self.node("QuantizeLinear", [values, self.constant(_STEP), self.constant(zero_point)])

    def dequantize(self, values: str, zero_point: np.uint8) -> str:
        return self.node("DequantizeLinear", [values, self.constant(_STEP), self.constant(zero_point)])

    def network(self, data_type: int, input_shape: tuple[int, ...], outputs: list[str]) -> Network:
        source = helper.make_tensor_value_info("input", data_type, input_shape)
        sinks = [helper.make_tensor_value_info(name, data_type, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "layer", [source], sinks, self.constants)
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return Network(model.SerializeToString(), input_shape)


def _input_shape(layer: LayerSpec, kernel: LayerPolicy) -> tuple[int, ...]:
    channels, size = layer.in_channels, layer.input_size
    if layer.kind == "linear":
        return (1, channels)
    return (1, size, size, channels) if kernel == INT8.policy else (1, channels, size, size)


def _float_unit(graph: _Graph, values: str, layer: LayerSpec) -> str:
    shape = _weight_shape(layer)
    weights = graph.rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(np.prod(shape[1:])))
    outputs = _weighted(graph, values, graph.constant(weights), layer)
    return _activation(graph, outputs, layer)


def _int8_unit(graph: _Graph, values: str, layer: LayerSpec) -> str:
    shape = _weight_shape(layer)
    channels = layer.out_channels
    weights = graph.constant(graph.rng.integers(-127, 128, shape).astype(np.int8))
    typical = 1.7 / 127 / np.sqrt(np.prod(shape[1:]))  # gives outputs about the variance of the inputs
    scales = graph.constant((typical * graph.rng.uniform(0.8, 1.2, channels)).astype(np.float32))
    zeros = graph.constant(np.zeros(channels, np.int8))
    dequantized = graph.node("DequantizeLinear", [weights, scales, zeros], {"axis": 0})
    outputs = _weighted(graph, values, dequantized, layer)
    if layer.activation == "relu":
        return graph.quantize(_activation(graph, outputs, layer), np.uint8(0))
    quantized = graph.quantize(outputs, _MIDDLE)
    if layer.activation == "none":
        return quantized
    return graph.quantize(_activation(graph, graph.dequantize(quantized, _MIDDLE), layer), _MIDDLE)


def _weight_shape(layer: LayerSpec) -> tuple[int, ...]:
    if layer.kind == "linear":
        return (layer.out_channels, layer.in_channels)
    return (layer.out_channels, layer.in_channels // layer.groups, layer.kernel_size, layer.kernel_size)


def _weighted(graph: _Graph, values: str, weights: str, layer: LayerSpec) -> str:
    inputs = [values, weights]
    if layer.bias or layer.normalized:
        inputs.append(graph.constant(graph.rng.normal(0.0, 0.1, layer.out_channels).astype(np.float32)))
    if layer.kind == "linear":
        return graph.node("Gemm", inputs, {"transB": 1})
    kernel, strides, pads = [layer.kernel_size] * 2, [layer.stride] * 2, [layer.kernel_size // 2] * 4
    attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads, "group": layer.groups}
    return graph.node("Conv", inputs, attributes)


def _activation(graph: _Graph, values: str, layer: LayerSpec) -> str:
    if layer.activation == "relu":
        return graph.node("Relu", [values])
    if layer.activation == "hard_swish":
        return graph.node("HardSwish", [values])
    if layer.activation == "hard_sigmoid":
        return graph.node("HardSigmoid", [values], {"alpha": 1 / 6, "beta": 0.5})
    return values


def _channels_first(graph: _Graph, values: str, layer: LayerSpec) -> str:
    return values if layer.kind == "linear" else graph.node("Transpose", [values], {"perm": [0, 3, 1, 2]})


def _int8_tail(graph: _Graph, values: str, layer: LayerSpec) -> str:
    if layer.kind == "linear":
        return values
    last = graph.node("Transpose", [values], {"perm": [0, 2, 3, 1]})
    start, end, axes = (graph.constant(np.array(pair)) for pair in ((0, 0), (1, 1), (1, 2)))
    return last if layer.output_size == 1 else graph.node("Slice", [last, start, end, axes])


def _float_tail(graph: _Graph, values: str, layer: LayerSpec) -> str:
    if layer.kind == "linear" or layer.output_size == 1:
        return values
    return graph.node("MaxPool", [values], {"kernel_shape": [1, 1], "strides": [layer.output_size] * 2})
