"""Rewrites an ONNX graph into a form that runtimes run faster, without changing what it computes.

The passes of `onnx_ir` clean the graph up. `shield_float_layers`, `pool_globally` and
`store_wide_codes_unsigned` suit the kernels of onnxruntime, `unshare_zero_points` those of OpenVINO, and no library has
such passes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import ClearMetadataAndDocStringPass, RemoveUnusedNodesPass

_WEIGHTED = ("Conv", "Gemm")
_IMAGE_AXES = ([2, 3], [-2, -1])  # height and width
# On x86 processors without VNNI, kernels for an unsigned and a signed code add pairs of products in 16 bits, where
# 2 * 255 * 64 is the most that fits, and saturate. Those for two unsigned codes add in 32 bits; VNNI has one for both.
_MOST_SIGNED_CODE = 64
_MIDDLE = 128  # the unsigned code of 0
_CLEAN_UP = ir.passes.Sequential(ClearMetadataAndDocStringPass(), RemoveUnusedNodesPass())


def to_bytes(model: ir.Model) -> bytes:
    """A model as the bytes of a file, without unused nodes and tensors and without the exporter's notes for debugging.

    In a small network, these notes take more space than the weights.
    """
    _CLEAN_UP(model)
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.metadata_props.clear()  # the pass clears only the properties of nodes and graphs
    proto = ir.to_proto(model)
    proto.graph.ClearField("value_info")  # types and shapes of inner values, which runtimes infer
    return proto.SerializeToString()


def shorten(graph: ir.Graph) -> None:
    """Drops attributes that say what is so without them, and shortens the names that quantisers got.

    In a small network, both take a tenth of what the weights take.
    """
    count, prefix = 0, find_free_prefix(graph, "q")
    for node in graph:
        schema = onnx.defs.get_schema(node.op_type, graph.opset_imports[""]) if not node.domain else None
        for name, attribute in [*node.attributes.items()]:
            default = schema.attributes[name].default_value if schema and name in schema.attributes else None
            if (
                default is not None
                and default.type
                and ir.serde.deserialize_attribute(default).value == attribute.value
            ):
                del node.attributes[name]
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.name = node.outputs[0].name = f"{prefix}{count}"
            count += 1


def shield_float_layers(graph: ir.Graph) -> None:
    """Gives every floating-point layer with a rounded input a DequantizeLinear of its own, with a step per channel.

    onnxruntime (seen in 1.31) quantises a layer, and rounds its weights, if a DequantizeLinear with one step for all
    channels gives its input. It does not if there is a step for each channel; here all of these steps are equal. Other
    readers keep the first DequantizeLinear, as an addition in integers needs a single step.
    """
    for node in graph:
        if node.op_type not in _WEIGHTED:
            continue
        inputs, weight = node.inputs[:2]
        source = inputs.producer() if inputs is not None else None
        if source is None or source.op_type != "DequantizeLinear" or weight is None or not weight.is_initializer():
            continue
        channels = _count_input_channels(node, weight)
        codes, *grid = source.inputs
        name, repeated = f"{node.name}_input", []
        for part in grid:
            assert part is not None
            assert part.const_value is not None
            values = np.repeat(part.const_value.numpy().ravel(), channels)
            repeated.append(add_constant(graph, f"{name}_{part.name}", values))
        own = ir.node("DequantizeLinear", [codes, *repeated], {"axis": 1}, name=name)
        own.outputs[0].name = name
        graph.insert_before(node, own)
        node.replace_input_with(0, own.outputs[0])


def find_free_prefix(graph: ir.Graph, wanted: str) -> str:
    """A prefix with which no name of a value in a graph begins: the wanted one, or this with underscores behind it.

    Args:
        graph: The graph.
        wanted: The prefix, if it is free.
    """
    values = [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    while any(str(value.name).startswith(wanted) for value in values):
        wanted += "_"
    return wanted


def pool_globally(graph: ir.Graph) -> None:
    """Replaces means over height and width by GlobalAveragePool, which keeps the memory layout of convolutions."""
    for node in graph:
        if node.op_type != "ReduceMean" or len(node.inputs) != 2 or node.inputs[1] is None:
            continue
        axes = ir.convenience.get_const_tensor(node.inputs[1])
        if axes is None or axes.numpy().tolist() not in _IMAGE_AXES:
            continue
        new = [ir.node("GlobalAveragePool", [node.inputs[0]], name=node.name)]
        if not node.attributes.get_int("keepdims", 1):
            new[0].outputs[0].name = f"{node.outputs[0].name}_pooled"
            new.append(ir.node("Flatten", [new[0].outputs[0]], name=f"{node.name}_flat"))
        ir.convenience.replace_nodes_and_values(graph, node, [node], new, node.outputs, new[-1].outputs)


def store_wide_codes_unsigned(graph: ir.Graph) -> None:
    """Stores signed weight codes beyond 64 as unsigned ones with a zero point of 128, which stand for the same weights.

    Else onnxruntime computes something else, without a word, where the processor has no VNNI.
    """
    unsigned: dict[ir.Value, ir.Value] = {}
    for node, codes, zero in _list_signed_weights(graph):
        assert codes.const_value is not None
        assert zero.const_value is not None
        if codes not in unsigned:
            wide = codes.const_value.numpy().astype(np.int16)
            if np.abs(wide).max(initial=0) <= _MOST_SIGNED_CODE:
                continue
            unsigned[codes] = add_constant(graph, f"{codes.name}_unsigned", (wide + _MIDDLE).astype(np.uint8))
        middle = (zero.const_value.numpy().astype(np.int16) + _MIDDLE).astype(np.uint8)
        node.replace_input_with(0, unsigned[codes])
        node.replace_input_with(2, add_constant(graph, f"{node.outputs[0].name}_unsigned_zero", middle))


def unshare_zero_points(graph: ir.Graph) -> None:
    """Gives every signed weight zero points of its own.

    OpenVINO (seen in 2026.4) computes a layer on floats if its weight shares them with another weight, as equal
    constants are stored once.
    """
    known: set[ir.Value] = set()
    for node, codes, zero in _list_signed_weights(graph):
        if zero in known:
            assert zero.const_value is not None
            node.replace_input_with(2, add_constant(graph, f"{codes.name}_zero", zero.const_value.numpy()))
        known.add(zero)


def check_symmetric(graph: ir.Graph, runtime: str) -> None:
    """Makes sure that all codes are signed, with zero points of 0.

    Args:
        graph: The graph.
        runtime: The runtime that computes with no others, for the error.

    Raises:
        ValueError: If values are rounded to others: the network was measured so, and another form computes another one.
    """
    for node in graph:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.inputs) < 3:
            continue
        zero = node.inputs[2]
        assert zero is not None
        assert zero.const_value is not None
        if zero.dtype in (ir.DataType.UINT8, ir.DataType.UINT4) or zero.const_value.numpy().any():
            raise ValueError(
                f"{runtime} computes only with signed codes whose zero points are 0, and activations of this network "
                "were measured in others; export it with rounded weights alone, or for another runtime"
            )


def _list_signed_weights(graph: ir.Graph) -> Iterator[tuple[ir.Node, ir.Value, ir.Value]]:
    """Each node that dequantises a stored signed weight, with the codes and their zero points."""
    for node in graph:
        if node.op_type != "DequantizeLinear" or len(node.inputs) != 3:
            continue
        codes, _, zero = node.inputs
        if codes is not None and zero is not None and codes.is_initializer() and codes.dtype == ir.DataType.INT8:
            yield node, codes, zero


def add_constant(graph: ir.Graph, name: str, values: NDArray[np.generic]) -> ir.Value:
    """Adds a stored tensor to a graph and returns its value, which has the shape of the tensor.

    Args:
        graph: The graph.
        name: A name that no other value has.
        values: The tensor, of any shape.
    """
    tensor = ir.tensor(values, name=name)
    value = ir.Value(name=name, const_value=tensor)
    graph.register_initializer(value)
    return value


def _count_input_channels(node: ir.Node, weight: ir.Value) -> int:
    """The number of channels that a convolution or a product with a matrix reads."""
    assert weight.const_value is not None
    shape = weight.const_value.numpy().shape
    if node.op_type == "Gemm":
        return shape[node.attributes.get_int("transB", 0)]
    return shape[1] * node.attributes.get_int("group", 1)
