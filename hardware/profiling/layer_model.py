"""Layer models: small ONNX networks with random weights, by which the cost of one layer within a network is measured.

A runtime runs a lone layer differently from one within a network: it converts the layout of its input and output, and
starts a session for it alone. `build_layer_model` keeps that out of the measurement:

- Several replicas of the layer (other weights, same input) share one conversion of the input and one session start.
- A float convolution ends in a strided pooling that keeps one pixel, so that only this one is converted back from the
  runtime's blocked layout.
- An 8-bit layer takes and gives 8-bit values, as between two 8-bit layers; a convolution takes them channels last, the
  runtime's own layout, and ends in a slice of one pixel.

`build_empty_session` is the same without the layers; its time is subtracted.
"""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import TensorProto

from hardware.device import FP32, INT7, INT8
from hardware.profiling.onnx_graph import MIDDLE, OnnxGraph
from hardware.profiling.workload import OnnxNetwork, ReplicatedLayer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.operators.weighted import Embedding

BUILT_POLICIES = (FP32.policy, INT7.policy, INT8.policy)  # as which layers can be built
_TRIVIAL_NODES = 8  # as many as the nodes that shorten the outputs of 8 replicas in a layer model


def build_layer_model(replicas: ReplicatedLayer, batch: int = 1) -> OnnxNetwork:
    """A network of parallel replicas of a layer, with folded bias and activation, that read the same input.

    The 8-bit form is the QDQ form of exported networks: DequantizeLinear, the layer with integer weights per channel
    and float bias, [Relu], QuantizeLinear, and for other activations DequantizeLinear, activation, QuantizeLinear. That
    of an embedding looks up int8 rows and yields floats.

    Args:
        replicas: The layer and its number of replicas.
        batch: Number of inputs per inference.

    Returns:
        A network with one output per replica. Its one input is float, uint8 for an 8-bit layer, or int64 for an
        embedding, which reads indices of rows. It has the input shape of the layer after the batch axis; feature maps
        of an 8-bit layer have their channels last.

    Raises:
        ValueError: If the policy is none of `BUILT_POLICIES`.
    """
    layer, policy = replicas.layer, replicas.policy
    if policy not in BUILT_POLICIES:
        raise ValueError(f"a layer model is built at {', '.join(map(str, BUILT_POLICIES))}, got {policy}")
    graph = OnnxGraph()
    outputs = []
    if isinstance(layer.operator, Embedding):
        look_up = graph.float_layer if policy == FP32.policy else graph.int8_rows
        outputs = [look_up("input", layer) for _ in range(replicas.count)]
        shape = (batch, *layer.input_shape)
        return graph.network("input", TensorProto.INT64, shape, outputs, TensorProto.FLOAT)
    if policy != FP32.policy:
        data_type = TensorProto.UINT8
        values = graph.dequantize(_channels_first(graph, "input", layer), MIDDLE)
        for _ in range(replicas.count):
            outputs.append(_int8_tail(graph, _int8_unit(graph, values, replicas), layer))
    else:
        data_type = TensorProto.FLOAT
        for _ in range(replicas.count):
            outputs.append(_float_tail(graph, graph.float_layer("input", layer), layer))
    return graph.network("input", data_type, _input_shape(layer, policy, batch), outputs, data_type)


def build_empty_session() -> OnnxNetwork:
    """A network of a few trivial nodes, which takes as long as a layer model without its layers."""
    graph = OnnxGraph()
    values = "input"
    for index in range(_TRIVIAL_NODES):  # alternating, as equal neighbours would be merged
        values = graph.node("Abs" if index % 2 else "Neg", [values])
    return graph.network("input", TensorProto.FLOAT, (1, 1), [values], TensorProto.FLOAT)


def _input_shape(layer: LayerSpec, policy: LayerPolicy, batch: int) -> tuple[int, ...]:
    """Shape of the input of a layer model, with the batch axis."""
    if _is_image(layer) and policy != FP32.policy:
        channels, *sides = layer.input_shape
        return (batch, *sides, channels)
    return (batch, *layer.input_shape)


def _int8_unit(graph: OnnxGraph, values: str, replicas: ReplicatedLayer) -> str:
    """Adds an 8-bit layer with its activation function, and returns the name of its output codes."""
    layer = replicas.layer
    codes, zero_point = graph.int8_layer(values, layer, replicas.policy.weight_bits)
    if layer.activation in (None, RELU):
        return codes
    return graph.quantize(graph.activation(graph.dequantize(codes, zero_point), layer.activation), MIDDLE)


def _channels_first(graph: OnnxGraph, values: str, layer: LayerSpec) -> str:
    """Adds the transposition of feature maps to channels first, as nodes of ONNX read them."""
    return graph.node("Transpose", [values], {"perm": [0, 3, 1, 2]}) if _is_image(layer) else values


def _int8_tail(graph: OnnxGraph, values: str, layer: LayerSpec) -> str:
    """Shortens the feature maps of an 8-bit layer to one pixel, with channels last."""
    if not _is_image(layer):
        return values
    last = graph.node("Transpose", [values], {"perm": [0, 2, 3, 1]})
    start, end, axes = (graph.constant(np.array(pair)) for pair in ((0, 0), (1, 1), (1, 2)))
    return last if prod(layer.output_shape[1:]) == 1 else graph.node("Slice", [last, start, end, axes])


def _float_tail(graph: OnnxGraph, values: str, layer: LayerSpec) -> str:
    """Shortens the feature maps of a float layer to one pixel."""
    if not _is_image(layer) or prod(layer.output_shape[1:]) == 1:
        return values
    return graph.node("MaxPool", [values], {"kernel_shape": [1, 1], "strides": layer.output_shape[1:]})


def _is_image(layer: LayerSpec) -> bool:
    """Whether input and output of a layer are feature maps, whose layout a runtime chooses."""
    return len(layer.input_shape) == len(layer.output_shape) == 3
