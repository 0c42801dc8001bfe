"""Layer models: small ONNX networks, with random weights, that show what one layer costs inside a network.

A runtime runs a lone layer differently from one within a network: it converts the layout of its input and output, and
starts a session for it alone. `build_layer_model` keeps that out of the measurement:

- Several replicas of the layer (other weights, same input) share one conversion of the input and one session start.
- A float convolution ends in a strided pooling that keeps one pixel, so that only this one is converted back from the
  runtime's blocked layout.
- An 8-bit layer takes and gives 8-bit values, as between two 8-bit layers; a convolution takes them channels last, the
  runtime's own layout, and ends in a slice of one pixel.

`build_empty_session` is the same without the layers; its time is to be subtracted.
"""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import TensorProto

from hardware.device import FP32, INT8
from hardware.profiling.onnx_graph import MIDDLE, OnnxGraph
from hardware.profiling.workload import OnnxNetwork, ReplicatedLayer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.operators.weighted import Embedding

_TRIVIAL_NODES = 8  # about one for each replica, as in a layer model, which cuts down the output of each


def build_layer_model(replicas: ReplicatedLayer, batch: int = 1) -> OnnxNetwork:
    """Parallel replicas of a layer, with its folded bias and activation, of the same input.

    The 8-bit form is the QDQ form of exported networks: DequantizeLinear, the layer with per-channel int8 weights and
    float bias, [Relu], QuantizeLinear, and for other activations DequantizeLinear, activation, QuantizeLinear. That of
    an embedding, which reads numbers of rows, gives floats.

    Args:
        replicas: The layer; its policy is floating point, or 8 bits of both weights and activations.
        batch: Inputs at once.

    Returns:
        A network with one float or uint8 input and one output per replica. Its input has the shape of the
        layer after the batch axis; feature maps of an int8 layer have their channels last.

    Raises:
        ValueError: If the policy is another one.
    """
    layer, policy = replicas.layer, replicas.policy
    if policy not in (FP32.policy, INT8.policy):
        raise ValueError(f"a layer model is built at {FP32.policy} or {INT8.policy}, got {policy}")
    graph = OnnxGraph()
    outputs = []
    if isinstance(layer.operator, Embedding):
        look_up = graph.int8_rows if policy == INT8.policy else graph.float_layer
        outputs = [look_up("input", layer) for _ in range(replicas.count)]
        shape = (batch, *layer.input_shape)
        return graph.network("input", TensorProto.INT64, shape, outputs, TensorProto.FLOAT)
    if policy == INT8.policy:
        data_type = TensorProto.UINT8
        values = graph.dequantize(_channels_first(graph, "input", layer), MIDDLE)
        for _ in range(replicas.count):
            outputs.append(_int8_tail(graph, _int8_unit(graph, values, layer), layer))
    else:
        data_type = TensorProto.FLOAT
        for _ in range(replicas.count):
            outputs.append(_float_tail(graph, graph.float_layer("input", layer), layer))
    return graph.network("input", data_type, _input_shape(layer, policy, batch), outputs, data_type)


def build_empty_session() -> OnnxNetwork:
    """What a layer model costs without its layers: one session and a few trivial nodes."""
    graph = OnnxGraph()
    values = "input"
    for index in range(_TRIVIAL_NODES):  # alternating, as equal neighbours would be merged
        values = graph.node("Abs" if index % 2 else "Neg", [values])
    return graph.network("input", TensorProto.FLOAT, (1, 1), [values], TensorProto.FLOAT)


def _input_shape(layer: LayerSpec, policy: LayerPolicy, batch: int) -> tuple[int, ...]:
    if _is_image(layer) and policy == INT8.policy:
        channels, *sides = layer.input_shape
        return (batch, *sides, channels)
    return (batch, *layer.input_shape)


def _int8_unit(graph: OnnxGraph, values: str, layer: LayerSpec) -> str:
    codes, zero_point = graph.int8_layer(values, layer)
    if layer.activation in (None, RELU):
        return codes
    return graph.quantize(graph.activation(graph.dequantize(codes, zero_point), layer.activation), MIDDLE)


def _channels_first(graph: OnnxGraph, values: str, layer: LayerSpec) -> str:
    return graph.node("Transpose", [values], {"perm": [0, 3, 1, 2]}) if _is_image(layer) else values


def _int8_tail(graph: OnnxGraph, values: str, layer: LayerSpec) -> str:
    if not _is_image(layer):
        return values
    last = graph.node("Transpose", [values], {"perm": [0, 2, 3, 1]})
    start, end, axes = (graph.constant(np.array(pair)) for pair in ((0, 0), (1, 1), (1, 2)))
    return last if prod(layer.output_shape[1:]) == 1 else graph.node("Slice", [last, start, end, axes])


def _float_tail(graph: OnnxGraph, values: str, layer: LayerSpec) -> str:
    if not _is_image(layer) or prod(layer.output_shape[1:]) == 1:
        return values
    return graph.node("MaxPool", [values], {"kernel_shape": [1, 1], "strides": layer.output_shape[1:]})


def _is_image(layer: LayerSpec) -> bool:
    """Whether it reads and gives feature maps, whose layout a runtime chooses."""
    return len(layer.input_shape) == len(layer.output_shape) == 3
