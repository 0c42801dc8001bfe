from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto

from hardware.profiling.onnx_graph import MIDDLE, OnnxGraph
from search_spaces.layer_spec import LayerSpec


def test_equal_small_constants_are_one_and_large_ones_are_weights() -> None:
    graph = OnnxGraph()
    assert graph.constant(np.float32(1)) == graph.constant(np.float32(1))
    assert graph.constant(np.float32(1)) != graph.constant(np.int64(1))
    large = np.zeros(5000, np.float32)
    assert graph.constant(large) != graph.constant(large)


def test_nodes_that_nobody_reads_are_left_out_and_the_batch_stays_open() -> None:
    graph = OnnxGraph()
    read = graph.node("Abs", ["input"])
    graph.node("Neg", [read])
    network = graph.network("input", TensorProto.FLOAT, ("batch", 3), [read], TensorProto.FLOAT, batch=4)
    assert network.input_shape == (4, 3)
    assert [node.op_type for node in onnx.load_model_from_string(network.onnx).graph.node] == ["Abs"]


def test_a_layer_in_8_bits_computes_what_its_codes_stand_for() -> None:
    graph = OnnxGraph()
    layer = LayerSpec.linear("head", 6, 4)
    codes, zero_point = graph.int8_layer(graph.dequantize("input", MIDDLE), layer)
    outputs = [codes, graph.dequantize(codes, zero_point)]
    network = graph.network("input", TensorProto.UINT8, (2, 6), outputs, TensorProto.UNDEFINED)
    model = onnx.load_model_from_string(network.onnx)
    kinds = (TensorProto.UINT8, TensorProto.FLOAT)
    for output, kind in zip(model.graph.output, kinds, strict=True):
        output.type.tensor_type.elem_type = kind
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found, floats = session.run(None, {"input": np.arange(12, dtype=np.uint8).reshape(2, 6) + np.uint8(120)})
    assert zero_point == MIDDLE
    assert np.allclose((found.astype(float) - zero_point) * 0.02, floats)
    assert np.ptp(floats) > 0
