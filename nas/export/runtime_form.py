"""Rewrites an ONNX graph into the form that runtimes run best, without changing what it computes.

In: an ONNX graph. Out: the same one with other nodes. Knows no torch.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

_WEIGHTED = ("Conv", "Gemm")


def shield_float_layers(graph: onnx.GraphProto) -> None:
    """Gives every floating-point layer that reads codes a DequantizeLinear of its own, one channel at a time.

    onnxruntime (seen in 1.31) takes a layer whose input comes from a DequantizeLinear for one to be quantised, and
    rounds its weights, too; unless the codes are read channel by channel, here all with the same step. Only that layer
    may read them so: an addition that onnxruntime makes an integer one refuses them.
    """
    producers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        source = producers.get(node.input[0]) if node.op_type in _WEIGHTED else None
        if source is not None and source.op_type == "DequantizeLinear" and node.input[1] in constants:
            channels = _input_channels(node, constants[node.input[1]])
            codes, *grid = source.input
            name = f"{node.name}_input"
            for part in grid:
                repeated = np.repeat(numpy_helper.to_array(constants[part]).ravel(), channels)
                graph.initializer.append(numpy_helper.from_array(repeated, f"{name}_{part}"))
            inputs = [codes, *(f"{name}_{part}" for part in grid)]
            nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=name, axis=1))
            node.input[0] = name
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def drop_unread(graph: onnx.GraphProto) -> None:
    """Removes nodes whose outputs nobody reads; onnxruntime would run them."""
    while True:
        read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        kept = [node for node in graph.node if read.intersection(node.output)]
        if len(kept) == len(graph.node):
            return
        del graph.node[:]
        graph.node.extend(kept)


def pool_globally(graph: onnx.GraphProto) -> None:
    """Makes means over height and width GlobalAveragePools, which need no change of layout between convolutions."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        axes = constants.get(node.input[1]) if node.op_type == "ReduceMean" and len(node.input) == 2 else None
        if axes is None or numpy_helper.to_array(axes).tolist() not in ([2, 3], [-2, -1]):
            nodes.append(node)
            continue
        keeps = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
        pooled = node.output[0] if keeps else f"{node.output[0]}_pooled"
        nodes.append(helper.make_node("GlobalAveragePool", [node.input[0]], [pooled], name=node.name))
        if not keeps:
            nodes.append(helper.make_node("Flatten", [pooled], [node.output[0]], name=f"{node.name}_flat"))
    del graph.node[:]
    graph.node.extend(nodes)


def _input_channels(node: onnx.NodeProto, weight: onnx.TensorProto) -> int:
    values = {attribute.name: int(attribute.i) for attribute in node.attribute}
    if node.op_type == "Gemm":
        return int(weight.dims[values.get("transB", 0)])
    return int(weight.dims[1]) * values.get("group", 1)
