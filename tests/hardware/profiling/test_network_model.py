"""Network models are networks of the space: their layers, their joints and their shapes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from hardware.profiling.network_model import build_network_model
from hardware.profiling.workload import RandomNetwork
from search_spaces.compression_policy import LayerPolicy
from search_spaces.dataflow import select_present_nodes
from search_spaces.presets import SPACES, create_space

W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("policy", [W32, W8], ids=str)
def test_runs_and_has_the_right_nodes(name: str, policy: LayerPolicy) -> None:
    space = create_space(name, 3, 10)
    layers = space.layers(space.decode(np.zeros(len(space.choices), np.int16)))
    nodes = tuple(select_present_nodes(space.nodes, [layer.name for layer in layers]))
    placed = {layer.name: (layer, policy) for layer in layers}
    network = build_network_model(RandomNetwork(nodes, placed, {"images": layers[0].input_shape}), batch=2)
    session = ort.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": np.ones(network.input_shape, np.float32)})
    assert network.input_shape == (2, *layers[0].input_shape)
    assert logits.shape == (2, 10)
    assert np.ptp(logits) > 0
    graph = onnx.load_model_from_string(network.onnx).graph
    operators, kinds = Counter(node.op_type for node in graph.node), Counter(node.operator.name for node in nodes)
    assert operators["Conv"] + operators["Gemm"] == kinds["slot"]
    assert (operators["Add"], operators["Mul"]) == (kinds["add"], kinds["multiply"])
    assert ("QuantizeLinear" in operators) == (policy == W8)


def test_a_kernel_that_onnxruntime_lacks_is_refused() -> None:
    space = create_space("resnet_digits", 1, 10)
    layers = space.layers(space.largest())
    placed = {layer.name: (layer, LayerPolicy.quantized(4, 8)) for layer in layers}
    with pytest.raises(ValueError, match="w32a32, w7a8, w8a8, got w4a8"):
        build_network_model(RandomNetwork(space.nodes, placed, {"images": layers[0].input_shape}))
