"""Gives an ONNX model the oldest versions of opset and IR in which its nodes mean the same, for older runtimes.

Torch's exporter writes one new opset for all models. Most operators have not changed since an older one but for types
of tensors that no exported model has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from nas.export.runtimes import RUNTIMES, TYPE_OPSETS, format_version
from nas.export.target import OLDEST_OPSET, ExportTarget

# Operators whose later versions added types, attributes or inputs, and left alone what nodes without these mean.
_GREW = {
    "Add", "AveragePool", "Cast", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "CumSum",
    "DequantizeLinear", "Div", "Equal", "Flatten", "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity",
    "LeakyRelu", "MaxPool", "Mul", "PRelu", "Pad", "Pow", "QuantizeLinear", "Relu", "Reshape", "Shape", "Split",
    "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
_NEW_VALUES = {
    ("AveragePool", "ceil_mode"): 1,
    ("Pad", "mode"): b"wrap",
}  # which later versions read otherwise, or first
_TYPES = {
    TensorProto.UINT4: 4,
    TensorProto.INT4: 4,
    TensorProto.UINT2: 2,
    TensorProto.INT2: 2,
}  # the bits of tensors of types that only newer opsets have


def lower_opset(content: bytes, target: ExportTarget) -> bytes:
    """A model that names older versions, and is the same but for attributes that say what is so without them.

    Args:
        content: An ONNX file of standard operators; one with functions stays as it is.
        target: What the file is for.

    Raises:
        ValueError: If an operator needs an opset that the target cannot load.
    """
    model = onnx.load_from_string(content)
    (imported,) = [entry for entry in model.opset_import if entry.domain == ""]
    if model.functions:
        target.check_opset(imported.version, "a model with functions")
        return content
    nodes, constants = [*_list_nodes(model.graph)], {tensor.name: tensor for tensor in model.graph.initializer}
    for node in nodes:
        if node.op_type == "Reshape" and node.input[1] in constants:
            _drop_allowzero(node, constants[node.input[1]])
    needed = [(_find_oldest(node, imported.version), node.op_type) for node in nodes if not node.domain]
    types = [_TYPES[tensor.data_type] for tensor in constants.values() if tensor.data_type in _TYPES]
    # from opset 21, which torch's exporter writes, to 25 operators got types and attributes, but no other meaning
    needed += [(TYPE_OPSETS[bits], f"a tensor of {bits} bits") for bits in types]
    imported.version, reason = max([(OLDEST_OPSET, "an export"), *needed])
    target.check_opset(imported.version, reason)
    model.ir_version = helper.OP_SET_ID_VERSION_MAP["ai.onnx", imported.version]
    return model.SerializeToString()


def describe_versions(content: bytes) -> dict[str, Any]:
    """The versions that a model names, and the first release of onnxruntime that loads it, None if that is not known.

    Args:
        content: An ONNX file.
    """
    model = onnx.load_from_string(content)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    first = RUNTIMES["onnxruntime"].find_release(versions[""]) if versions.keys() == {""} else None
    release = None if first is None else format_version(first)
    return {"opset": versions[""], "ir_version": model.ir_version, "onnxruntime": release}


def _find_oldest(node: onnx.NodeProto, opset: int) -> int:
    """The oldest opset in which a node of an opset means the same."""
    schema = onnx.defs.get_schema(node.op_type, opset)
    values = {(node.op_type, attribute.name): helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type not in _GREW or any(values.get(key) == value for key, value in _NEW_VALUES.items()):
        return int(schema.since_version)
    while schema.since_version > OLDEST_OPSET and onnx.defs.has(node.op_type, schema.since_version - 1):
        before = onnx.defs.get_schema(node.op_type, schema.since_version - 1)
        if not {name for _, name in values} <= before.attributes.keys() or len(node.input) > before.max_input:
            break
        schema = before
    return int(schema.since_version)


def _drop_allowzero(node: onnx.NodeProto, shape: onnx.TensorProto) -> None:
    """Removes `allowzero`, which opset 13 does not know, where the shape has no 0 that it could be about."""
    if 0 not in numpy_helper.to_array(shape):
        kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)


def _list_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes of a graph, and those of the graphs in their attributes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _list_nodes(inner)
