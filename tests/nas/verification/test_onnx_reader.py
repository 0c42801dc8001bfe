"""A graph is read as onnx reads it; what is no ONNX file is refused, whatever its bytes."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_files import QUANTIZED, to_model

from nas.verification.onnx_reader import read_graph


def test_a_graph_is_what_onnx_says_of_it() -> None:
    content = to_model(QUANTIZED)
    graph, expected = read_graph(content), onnx.load_from_string(content).graph
    assert [(node.operator, node.inputs, node.outputs) for node in graph.nodes] == [
        (node.op_type, tuple(node.input), tuple(node.output)) for node in expected.node
    ]
    assert {name: one.shape for name, one in graph.stored.items()} == {
        one.name: tuple(one.dims) for one in expected.initializer
    }
    assert (graph.opset, graph.inputs, graph.outputs) == (21, ("images",), ("logits",))


def test_tensors_that_only_an_inner_graph_reads_are_read() -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["kept"], ["out"])], "i", [], [helper.make_tensor_value_info("out", 1, [1])]
    )
    node = helper.make_node("If", ["condition"], ["result"], then_branch=inner, else_branch=inner)
    stored = [numpy_helper.from_array(np.ones(1, np.float32), name) for name in ("kept", "spare")]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [1])],
        stored,
    )
    found = read_graph(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())
    assert found.find_unread() == ["spare"]
    assert [one.bytes for one in found.stored.values()] == [4, 4]


def test_what_is_no_onnx_file_is_refused() -> None:
    content, rng = to_model(QUANTIZED), np.random.default_rng(0)
    for wrong in (b"", b"\x00", b"text that is none", content[:-3], content + b"\xff", content * 2):
        with pytest.raises(ValueError, match="it is no ONNX file, or damaged"):
            read_graph(wrong)
    for _ in range(500):  # whatever the bytes, no other error
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        with suppress(ValueError):
            read_graph(bytes(changed))
