"""Layer models compute their layer, and onnxruntime runs the 8-bit form in one integer kernel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from hardware.profiling.layer_model import build_layer_model
from hardware.profiling.workload import ReplicatedLayer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.weighted import Convolution, Embedding, Linear

W32, W7, W8 = LayerPolicy(), LayerPolicy.quantized(7, 8), LayerPolicy.quantized(8, 8)
LAYERS = [
    LayerSpec.conv("", Convolution.square(16, 24), 6, activation="relu"),
    LayerSpec.conv("", Convolution.square(16, 16, 5, stride=2, groups=16), 7),
    LayerSpec.conv("", Convolution.square(3, 8, 3, stride=2, bias=True), 8, normalized=False, activation="hard_swish"),
    LayerSpec.conv("", Convolution.square(24, 8, bias=True), normalized=False, activation="hard_sigmoid"),
    LayerSpec.linear("", 32, 10),
    LayerSpec("", Linear(12, 10, bias=True), (7, 12)),
]


@pytest.mark.parametrize("policy", [W32, W7, W8], ids=str)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_agrees_with_numpy(layer: LayerSpec, policy: LayerPolicy) -> None:
    network = build_layer_model(ReplicatedLayer(layer, policy))
    rng = np.random.default_rng(1)
    if policy == W32:
        values: NDArray[Any] = rng.standard_normal(network.input_shape, dtype=np.float32)
        inputs = values
    else:
        values = rng.integers(0, 256, network.input_shape, dtype=np.uint8)
        inputs = (values.astype(np.float32) - 128) * np.float32(0.02)
        inputs = inputs.transpose(0, 3, 1, 2) if len(layer.input_shape) == 3 else inputs
    session = ort.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"input": values})
    assert len(outputs) == ReplicatedLayer(layer, policy).count
    for output, (weights, bias) in zip(outputs, _parameters(network.onnx), strict=True):
        expected = _activate(_weighted_sum(inputs, weights, layer) + bias, layer, quantised=policy != W32).ravel()
        if policy == W32:
            assert output.ravel() == pytest.approx(expected, rel=1e-4, abs=1e-5)
        else:
            zero_point = 0 if layer.activation == RELU else 128
            steps = np.clip(np.round(expected / 0.02) + zero_point, 0, 255)
            assert np.abs(output.ravel() - steps).max() <= 1
            assert np.ptp(steps) > 10  # not all saturated


@pytest.mark.parametrize("layer", LAYERS[:2], ids=str)
def test_int8_convolution_is_one_kernel_without_layout_changes(
    layer: LayerSpec, optimised: Callable[[bytes], onnx.GraphProto]
) -> None:
    operators = [node.op_type for node in optimised(build_layer_model(ReplicatedLayer(layer, W8)).onnx).node]
    assert operators.count("QLinearConv") == ReplicatedLayer(layer, W8).count
    assert set(operators) == {"QLinearConv", "Slice"}


@pytest.mark.parametrize("policy", [W32, W8], ids=str)
def test_rows_of_an_embedding_are_read_as_they_are_exported(policy: LayerPolicy) -> None:
    network = build_layer_model(ReplicatedLayer(LayerSpec("", Embedding(6, 4), (3,)), policy), batch=2)
    session = ort.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
    rows = np.array([[0, 5, 1], [5, 5, 2]])
    (first, *_) = session.run(None, {"input": rows})
    assert (network.input_shape, first.shape) == ((2, 3), (2, 3, 4))
    assert np.array_equal(first[0, 1], first[1, 0])
    assert not np.array_equal(first[0, 0], first[0, 1])


@pytest.mark.parametrize("policy", [W32, W8], ids=str)
def test_a_transposed_convolution_has_the_shape_that_onnx_reads(policy: LayerPolicy) -> None:
    up = Convolution(6, 4, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), groups=2, bias=True, transposed=True)
    network = build_layer_model(ReplicatedLayer(LayerSpec("", up, (6, 3, 3)), policy))
    session = ort.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
    values = np.ones(network.input_shape, np.float32 if policy == W32 else np.uint8)
    assert session.run(None, {"input": values})[0].size == 4


def test_a_kernel_that_onnxruntime_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="w32a32, w7a8, w8a8, got w4a8"):
        build_layer_model(ReplicatedLayer(LAYERS[0], LayerPolicy.quantized(4, 8)))


def _weighted_sum(inputs: NDArray[Any], weights: NDArray[Any], layer: LayerSpec) -> NDArray[Any]:
    """The layer without bias; of a convolution only its first pixel: the window at the padded corner."""
    operator = layer.operator
    if not isinstance(operator, Convolution):
        return np.asarray(weights @ inputs[0] if len(layer.input_shape) == 1 else inputs[0] @ weights)
    side, padding = operator.kernel[0], operator.padding[0][0]
    corner = np.pad(inputs[0], ((0, 0), (padding, padding), (padding, padding)))[:, :side, :side]
    grouped = corner.reshape(operator.groups, 1, -1)
    weights = weights.reshape(operator.groups, layer.out_channels // operator.groups, -1)
    return np.asarray((weights * grouped).sum(-1).ravel())


def _activate(values: NDArray[Any], layer: LayerSpec, quantised: bool) -> NDArray[Any]:
    if quantised and layer.activation not in (None, RELU):
        values = np.clip(np.round(values / 0.02), -128, 127) * 0.02
    if layer.activation == RELU:
        return np.asarray(np.maximum(values, 0))
    gate: NDArray[Any] = np.clip(values / 6 + 0.5, 0, 1)
    if layer.activation == Activation("hard_sigmoid"):
        return gate
    return values * gate if layer.activation == Activation("hard_swish") else values


def _parameters(network: bytes) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Float weights and bias of every copy."""
    graph = onnx.load_model_from_string(network).graph
    arrays = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            codes, scales, zeros = (arrays[name] for name in node.input)
            by_row = node.attribute[0].i == 0
            steps, zeros = (one.reshape(-1, *[1] * (codes.ndim - 1)) if by_row else one for one in (scales, zeros))
            arrays[node.output[0]] = (codes.astype(np.float32) - zeros) * steps
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    biases = {node.input[0]: node.input[1] for node in graph.node if node.op_type == "Add"}
    return [(arrays[n.input[1]], arrays[biases[n.output[0]] if n.op_type == "MatMul" else n.input[2]]) for n in layers]
