"""Models name the oldest opset in which their nodes mean the same, and compute what they did."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.checker
import onnx.parser
import pytest

from nas.export.onnx_model import open_session, run_session
from nas.export.opset import describe_versions, lower_opset
from nas.export.target import ExportTarget

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
STEPS = "<float[3] step = {0.1, 0.2, 0.3}, uint8[3] zero = {1, 2, 3}, int64[2] shape = {-1, 48}, int64[1] axes = {1}>"


@pytest.mark.parametrize(
    ("nodes", "opset", "ir_version", "runtime"),
    [
        ("logits = Relu (images)", 13, 7, "1.6"),
        (
            "codes = QuantizeLinear <axis = 1> (images, step, zero) "
            "logits = DequantizeLinear <axis = 1> (codes, step, zero)",
            13,
            7,
            "1.6",
        ),
        ("logits = HardSwish (images)", 14, 7, "1.8"),
        ("logits = Reshape <allowzero = 1> (images, shape)", 13, 7, "1.6"),
        ("flat = Shape (images) logits = Reshape <allowzero = 1> (images, flat)", 14, 7, "1.8"),
        ("logits = LayerNormalization (images, images)", 17, 8, "1.12"),
        ("logits = ReduceMean (images, axes)", 18, 8, "1.14"),
        ("logits = AveragePool <kernel_shape = [2, 2], ceil_mode = 0> (images)", 13, 7, "1.6"),
        ("logits = AveragePool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (images)", 19, 9, "1.15"),
        ("logits = Gelu (images)", 20, 9, "1.17"),
        ("logits = GroupNormalization <num_groups = 3> (images, step, step)", 21, 10, "1.18"),
    ],
)
def test_the_oldest_opset_that_the_operators_allow_is_named(
    nodes: str, opset: int, ir_version: int, runtime: str
) -> None:
    text = "<ir_version: 10, opset_import: ['' : 21]> g (float[n, 3, 4, 4] images) => (float[SHAPE] logits) "
    text = text.replace("SHAPE", "a, b" if "shape)" in nodes else "a, b, c, d").replace("'", chr(34))
    model = onnx.parser.parse_model(f"{text} {STEPS} {{ {nodes} }}")
    before = model.SerializeToString()
    after = lower_opset(before, ExportTarget())
    assert describe_versions(after) == {"opset": opset, "ir_version": ir_version, "onnxruntime": runtime}
    onnx.checker.check_model(after, full_check=True)
    found = [run_session(open_session(one), IMAGES) for one in (before, after)]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)  # another kernel may add in another order


def test_a_model_that_only_a_new_version_can_hold_stays_as_it_is() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]> g (float[n] images) => (float[n] logits) { logits = Relu (images) }'
    )
    few = onnx.TensorProto(name="few", data_type=onnx.TensorProto.INT4, dims=[2], int32_data=[0x21])
    model.graph.initializer.append(few)
    content = model.SerializeToString()
    assert lower_opset(content, ExportTarget()) == content


def test_a_model_with_functions_keeps_its_opset_where_the_target_loads_it() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21, "own" : 1]> g (float[n] images) => (float[n] logits) '
        '{ logits = own.half (images) } <domain: "own", opset_import: ["" : 21]> half (x) => (y) { y = Relu (x) }'
    )
    content = model.SerializeToString()
    assert lower_opset(content, ExportTarget()) == content
    with pytest.raises(ValueError, match="a model with functions needs opset 21, got a limit of 13"):
        lower_opset(content, ExportTarget(opset=13))
