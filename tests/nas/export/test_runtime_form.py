"""A graph in the form that runtimes run best computes what it did, and holds nothing that nobody reads."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper, parser

from nas.export.onnx_model import open_session, run_session
from nas.export.runtime_form import (
    check_symmetric,
    pool_globally,
    shield_float_layers,
    store_wide_codes_unsigned,
    to_bytes,
    unshare_zero_points,
)

HEADER = '<ir_version: 10, opset_import: ["": 21]>'
IMAGES = np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)


def load(text: str) -> ir.Model:
    return ir.from_proto(parser.parse_model(HEADER + text))


def operators(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


@pytest.mark.parametrize(("keepdims", "expected"), [(1, ["GlobalAveragePool"]), (0, ["GlobalAveragePool", "Flatten"])])
def test_a_mean_over_height_and_width_is_a_global_pooling(keepdims: int, expected: list[str]) -> None:
    text = f"""
        g (float[n, 3, 4, 5] images) => (float[n, 3{", 1, 1" * keepdims}] logits) <int64[2] axes = {{-2, -1}}> {{
            logits = ReduceMean <keepdims = {keepdims}> (images, axes)
        }}"""
    plain, pooled = load(text), load(text)
    pool_globally(pooled.graph)
    before, after = (to_bytes(model) for model in (plain, pooled))
    assert (operators(before), operators(after)) == (["ReduceMean"], expected)
    found = [run_session(open_session(model), IMAGES) for model in (before, after)]
    assert found[0].shape == found[1].shape
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_mean_over_channels_stays_what_it_is() -> None:
    model = load("""
        g (float[n, 3, 4, 5] images) => (float[n, 1, 4, 5] logits) <int64[1] axes = {1}> {
            logits = ReduceMean <keepdims = 1> (images, axes)
        }""")
    pool_globally(model.graph)
    assert operators(to_bytes(model)) == ["ReduceMean"]


def test_a_floating_point_layer_reads_codes_channel_by_channel() -> None:
    model = load("""
        g (float[n, 3, 4, 5] images) => (float[n, 1, 4, 5] logits)
        <float step = {0.01}, uint8 zero = {0}, float[1, 3, 1, 1] weight = {1.0, 2.0, 3.0}> {
            codes = QuantizeLinear (images, step, zero)
            rounded = DequantizeLinear (codes, step, zero)
            logits = Conv (rounded, weight)
        }""")
    shield_float_layers(model.graph)
    graph = onnx.load_from_string(to_bytes(model)).graph
    assert [node.op_type for node in graph.node] == ["QuantizeLinear", "DequantizeLinear", "Conv"]
    repeated = {tensor.name: [*tensor.dims] for tensor in graph.initializer}
    assert [repeated[name] for name in graph.node[1].input[1:]] == [[3], [3]]


def test_what_nobody_reads_is_left_out() -> None:
    model = load("""
        g (float[n, 3] images) => (float[n, 3] logits) <float[3] unread = {1.0, 2.0, 3.0}> {
            spare = Exp (images)
            logits = Relu (images)
        }""")
    for noted in (next(iter(model.graph)), model.graph.inputs[0]):
        noted.metadata_props["pkg.torch.stack_trace"] = "a long text"
    written = to_bytes(model)
    assert operators(written) == ["Relu"]
    assert not onnx.load_from_string(written).graph.initializer
    assert b"pkg.torch" not in written


def test_codes_whose_products_would_not_fit_into_16_bits_are_stored_unsigned() -> None:
    text = """
        g (float[n, 2] images) => (float[n, 3] one, float[n, 3] other, float[n, 3] again)
        <int8[2, 3] wide = {-127, 0, 5, 3, 65, 127}, int8[2, 3] narrow = {-64, 0, 5, 3, 64, 7},
         float[3] step = {0.1, 0.2, 0.3}, int8[3] zero = {0, 0, 0}> {
            first = DequantizeLinear <axis = 1> (wide, step, zero)
            second = DequantizeLinear <axis = 1> (narrow, step, zero)
            third = DequantizeLinear <axis = 1> (wide, step, zero)
            one = MatMul (images, first)
            other = MatMul (images, second)
            again = MatMul (images, third)
        }"""
    plain, stored = load(text), load(text)
    store_wide_codes_unsigned(stored.graph)
    graph = onnx.load_from_string(to_bytes(stored)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kinds = [tuple(constants[name].dtype for name in node.input[::2]) for node in graph.node[:3]]
    assert kinds == [(np.uint8, np.uint8), (np.int8, np.int8), (np.uint8, np.uint8)]
    assert sum(codes.ndim == 2 for codes in constants.values()) == 2  # a weight that is read twice is stored once
    inputs = IMAGES.reshape(-1, 2)
    expected, found = (open_session(to_bytes(model)).run(None, {"images": inputs}) for model in (plain, stored))
    np.testing.assert_array_equal(expected, found)


def test_each_signed_weight_has_zero_points_of_its_own() -> None:
    text = """
        g (float[n, 2] images) => (float[n, 3] logits)
        <int8[2, 3] first = {-12, 0, 5, 3, 6, 7}, int8[3, 3] second = {-6, 0, 5, 3, 6, 7, 1, 2, 3},
         float[3] step = {0.1, 0.2, 0.3}, int8[3] zero = {0, 0, 0}> {
            one = DequantizeLinear <axis = 1> (first, step, zero)
            two = DequantizeLinear <axis = 1> (second, step, zero)
            hidden = MatMul (images, one)
            logits = MatMul (hidden, two)
        }"""
    plain, own = load(text), load(text)
    unshare_zero_points(own.graph)
    graph = onnx.load_from_string(to_bytes(own)).graph
    assert [node.input[2] for node in graph.node[:2]] == ["zero", "second_zero"]
    expected, found = (run_session(open_session(to_bytes(model)), IMAGES.reshape(-1, 2)) for model in (plain, own))
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize(("zero", "symmetric"), [("int8 zero = {0}", True), ("uint8 zero = {0}", False)])
def test_what_a_symmetric_runtime_cannot_express_is_refused(zero: str, symmetric: bool) -> None:
    model = load(f"""
        g (float[n, 3] images) => (float[n, 3] logits) <float step = {{0.1}}, {zero}> {{
            codes = QuantizeLinear (images, step, zero)
            logits = DequantizeLinear (codes, step, zero)
        }}""")
    with nullcontext() if symmetric else pytest.raises(ValueError, match="tensorrt computes only with signed codes"):
        check_symmetric(model.graph, "tensorrt")
