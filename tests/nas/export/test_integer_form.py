"""Graphs in integers: repeated rounding is dropped, and biases are stored as integers where they lie on their grids."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from nas.export.integer_form import drop_repeated_rounding, store_integer_biases
from nas.export.runtime_form import to_bytes
from nas.verification.sessions import open_session, run_session

IMAGES = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)


def rewrite(text: str) -> tuple[Counter[str], float]:
    """Operators of a rewritten graph by their number, and by how much its outputs differ from those before."""
    model = onnx.parser.parse_model(text)
    before = run_session(open_session(model.SerializeToString(), optimized=False), IMAGES)
    rewritten = ir.from_proto(model)
    drop_repeated_rounding(rewritten.graph)
    store_integer_biases(rewritten.graph)
    content = to_bytes(rewritten)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    after = run_session(open_session(content, optimized=False), IMAGES)
    operators = Counter(node.op_type for node in onnx.load_from_string(content).graph.node)
    return operators, float(np.abs(after - before).max())


def head(stored: str) -> str:
    return f"""<ir_version: 8, opset_import: ["" : 13]>
    net (float[batch, 3, 8, 8] images) => (float[batch, c, h, w] logits)
    <float step = {{0.02}}, uint8 zero = {{128}}, {stored}> {{
        codes = QuantizeLinear (images, step, zero)
        real = DequantizeLinear (codes, step, zero)"""


TWICE = """
        again = QuantizeLinear (real, {step}, {zero})
        logits = DequantizeLinear (again, {step}, {zero})
    }}"""


@pytest.mark.parametrize(
    ("step", "zero", "left"), [("step", "zero", 1), ("same", "zero", 1), ("other", "zero", 2), ("step", "middle", 2)]
)
def test_codes_are_not_rounded_to_their_own_grid(step: str, zero: str, left: int) -> None:
    stored = "float same = {0.02}, float other = {0.03}, uint8 middle = {127}"
    operators, difference = rewrite(head(stored) + TWICE.format(step=step, zero=zero))
    assert operators["QuantizeLinear"] == left
    assert difference == 0


def test_codes_are_clipped_once() -> None:
    body = """
        low = Clip (codes, least, most)
        read = DequantizeLinear (low, step, zero)
        again = QuantizeLinear (read, step, zero)
        clipped = Clip (again, least, most)
        logits = DequantizeLinear (clipped, step, zero)
    }"""
    assert rewrite(head("uint8 least = {120}, uint8 most = {135}") + body) == (
        Counter({"QuantizeLinear": 1, "Clip": 1, "DequantizeLinear": 1}),
        0.0,
    )


def test_codes_that_are_clipped_otherwise_are_clipped_twice() -> None:
    body = """
        low = Clip (codes, least, most)
        clipped = Clip (low, least, middle)
        logits = DequantizeLinear (clipped, step, zero)
    }"""
    operators, difference = rewrite(head("uint8 least = {120}, uint8 most = {135}, uint8 middle = {130}") + body)
    assert operators["Clip"] == 2
    assert difference == 0


LAYER = """
        {moved}
        weight = DequantizeLinear <axis = 0> (stored, steps, zeros)
        logits = Conv ({read}, weight, bias)
    }}"""
STORED = "int8[2, 3, 1, 1] stored = {{1, 2, 3, 4, 5, -6}}, float[2] steps = {{0.5, 0.25}}, int8[2] zeros = {{0, 0}}"


@pytest.mark.parametrize("moved", ["", "most = MaxPool <kernel_shape = [2, 2]> (real)"])
@pytest.mark.parametrize(("bias", "is_stored"), [("0.07, -0.5", True), ("0.075, -0.5", False), ("4e7, 0", False)])
def test_a_bias_on_its_grid_is_stored_as_integers_and_no_other(bias: str, is_stored: bool, moved: str) -> None:
    stored = f"{STORED}, float[2] bias = {{{{{bias}}}}}".format()  # the grids are 0.01 and 0.005
    operators, difference = rewrite(head(stored) + LAYER.format(moved=moved, read="most" if moved else "real"))
    assert operators["DequantizeLinear"] == 2 + is_stored
    assert difference <= 1e-6
