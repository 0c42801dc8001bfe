"""Rewrites an ONNX graph so that layers run in integers from input to output, on every release of onnxruntime.

What is computed stays the same: codes are not rounded to the grid that they lie on, and biases that lie on that of
their layer (`nas.compression.integer_biases`) are stored as integers. No library has such passes.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from nas.export.runtime_form import add_constant, find_free_prefix
from nas.verification.layers import BIASED, MOVING

# The most that single precision leaves of a rounded bias: in its steps, and of its size.
_OFF_GRID, _OFF_SHARE = 1e-2, 2.0**-22
_MOST_CODE = 2**31 - 1


def drop_repeated_rounding(graph: ir.Graph) -> None:
    """Reads codes where they are dequantised and quantised again by the same step and zero point.

    Args:
        graph: The graph; it is changed.
    """
    for node in graph:
        if node.op_type == "QuantizeLinear":
            source = _find_producer(node.inputs[0], "DequantizeLinear")
            if source is not None and all(map(_equals, node.inputs[1:], source.inputs[1:])):
                _replace(node, source.inputs[0])
        elif node.op_type == "Clip":
            source = _find_producer(node.inputs[0], "Clip")
            if source is not None and all(map(_equals, node.inputs[1:], source.inputs[1:])):
                _replace(node, source.outputs[0])


def store_integer_biases(graph: ir.Graph) -> None:
    """Stores the biases of layers that can run in integers as such, where they lie on their grid.

    onnxruntime rounds others so by itself, from 1.23 on. Before, it runs no layer in integers whose bias is in floating
    point.

    Args:
        graph: The graph; it is changed.
    """
    prefix = find_free_prefix(graph, "b")
    for index, node in enumerate(graph):
        if node.op_type not in BIASED or len(node.inputs) != 3:
            continue
        sources = [_find_producer(_skip_moves(value), "DequantizeLinear") for value in node.inputs[:2]]
        bias = ir.convenience.get_const_tensor(node.inputs[2]) if node.inputs[2] is not None else None
        if bias is None or any(source is None or "block_size" in source.attributes for source in sources):
            continue
        steps = [source.inputs[1] for source in sources if source is not None]
        step, weight_steps = (ir.convenience.get_const_tensor(value) for value in steps if value is not None)
        if step is None or weight_steps is None or step.numpy().size != 1:
            continue
        grid = step.numpy() * weight_steps.numpy()  # in single precision, as onnxruntime computes it
        exact = bias.numpy().astype(np.float64) / grid
        codes = np.rint(exact)
        if (np.abs(exact - codes) > _OFF_GRID + _OFF_SHARE * np.abs(codes)).any() or np.abs(codes).max() > _MOST_CODE:
            continue
        name = f"{prefix}{index}"
        product = ir.node("Mul", steps)
        product.outputs[0].name = f"{name}s"
        stored = add_constant(graph, name, codes.astype(np.int32))
        read = ir.node("DequantizeLinear", [stored, product.outputs[0]], {"axis": 0})
        read.outputs[0].name = f"{name}r"
        graph.insert_before(node, [product, read])
        product.name = read.name = None  # no runtime keeps these nodes
        node.replace_input_with(2, read.outputs[0])


def _skip_moves(value: ir.Value | None) -> ir.Value | None:
    """What a value was before nodes that only move or choose among values; runtimes move the rounding past these."""
    while value is not None and (node := value.producer()) is not None and node.op_type in MOVING:
        value = node.inputs[0]
    return value


def _find_producer(value: ir.Value | None, operator: str) -> ir.Node | None:
    """The node that makes a value, if it is of an operator."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type == operator else None


def _equals(one: ir.Value | None, other: ir.Value | None) -> bool:
    """Whether two inputs are the same value, or constants of equal type and content."""
    if one is other:
        return True
    tensors = [None if value is None else value.const_value for value in (one, other)]
    if tensors[0] is None or tensors[1] is None or tensors[0].dtype != tensors[1].dtype:
        return False
    return np.array_equal(tensors[0].numpy(), tensors[1].numpy())


def _replace(node: ir.Node, value: ir.Value | None) -> None:
    """Has everything that reads a node read another value; the node then is unused."""
    assert value is not None
    for reader, place in [*node.outputs[0].uses()]:
        reader.replace_input_with(place, value)
