"""How each operator is written in ONNX, for networks that are built to be timed: the one table of ONNX forms.

An ONNX form is a function of a `Call`; it adds nodes and returns the name of their value. Another package adds the form
of its operator by an entry point `nas.onnx_forms` of the same name. Opaque operators have none: only torch's exporter
knows what they become.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hardware.profiling.onnx_call import Call
from search_spaces.operators.arrangement import GlobalPool, Pad, Pool, Reshape, Slice, Transpose
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import Activation, BatchNorm, GroupNorm, LayerNorm, RmsNorm, Softmax
from search_spaces.operators.products import Attention, Concatenate
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.registry import Registry


def write_operator(call: Call[Operator]) -> str:
    """Writes a node and returns the name of its value.

    Raises:
        ValueError: If the operator has no ONNX form.
    """
    return ONNX_FORMS[call.operator.name](call)


def _convolution(call: Call[Convolution]) -> str:
    operator = call.operator
    attributes: dict[str, Any] = {
        "kernel_shape": operator.kernel,
        "strides": operator.stride,
        "pads": [sides[end] for end in (0, 1) for sides in operator.padding],  # all beginnings, then all ends
        "dilations": operator.dilation,
        "group": operator.groups,
    }
    if operator.output_padding is not None:
        attributes["output_padding"] = operator.output_padding
    kind = "ConvTranspose" if operator.transposed else "Conv"
    return call.node(kind, *call.inputs, *call.parameters, **attributes)


def _linear(call: Call[Linear]) -> str:
    if len(call.shapes[0]) == 1:
        return call.node("Gemm", *call.inputs, *call.parameters, transB=1)
    product = call.node("MatMul", call.inputs[0], call.node("Transpose", call.parameters[0], perm=[1, 0]))
    return call.node("Add", product, call.parameters[1]) if call.operator.bias else product


def _attention(call: Call[Attention]) -> str:
    query, rank = call.shapes[0], len(call.shapes[0]) + 1
    key, value = (_repeat_heads(call, index) for index in (1, 2))
    swapped = call.node("Transpose", key, perm=[*range(rank - 2), rank - 1, rank - 2])
    factor = query[-1] ** -0.5 if call.operator.scale is None else call.operator.scale
    scores = call.node("MatMul", call.node("Mul", call.inputs[0], call.number(factor)), swapped)
    if call.operator.causal:
        hidden = np.triu(np.full((query[-2], call.shapes[1][-2]), -np.inf, np.float32), 1)
        scores = call.node("Add", scores, call.builder.constant(hidden))
    if len(call.inputs) == 4:
        scores = call.node("Add", scores, call.inputs[3])
    return call.node("MatMul", call.node("Softmax", scores, axis=-1), value)


def _repeat_heads(call: Call[Attention], index: int) -> str:
    """Keys or values, input 1 or 2, with each head repeated for all the heads of the queries that share it."""
    name, shape, query = call.inputs[index], call.shapes[index], call.shapes[0]
    if len(shape) < 3 or shape[-3] == query[-3]:
        return name
    heads, rows, width = shape[-3:]
    widened = call.node("Unsqueeze", name, call.integers(-3))
    repeated = call.node("Expand", widened, call.integers(1, 1, query[-3] // heads, rows, width))
    return call.node("Reshape", repeated, call.integers(0, query[-3], rows, width))


def _batch_norm(call: Call[BatchNorm]) -> str:
    scaling = () if call.operator.affine else (call.filled((call.operator.channels,), value) for value in (1, 0))
    return call.node("BatchNormalization", *call.inputs, *scaling, *call.parameters, epsilon=call.operator.eps)


def _group_norm(call: Call[GroupNorm]) -> str:
    operator = call.operator
    scaling = () if operator.affine else (call.filled((operator.channels,), value) for value in (1, 0))
    attributes = {"num_groups": operator.groups, "epsilon": operator.eps}
    return call.node("GroupNormalization", *call.inputs, *scaling, *call.parameters, **attributes)


def _layer_norm(call: Call[LayerNorm]) -> str:
    scale = () if call.operator.scale else (call.filled(call.operator.shape, 1),)
    attributes = {"axis": -len(call.operator.shape), "epsilon": call.operator.eps}
    return call.node("LayerNormalization", *call.inputs, *scale, *call.parameters, **attributes)


def _rms_norm(call: Call[RmsNorm]) -> str:
    """A root-mean-square normalisation as several nodes: opset 21 has no operator for it."""
    x, axes = call.inputs[0], call.integers(*range(-len(call.operator.shape), 0))
    mean_square = call.node("ReduceMean", call.node("Mul", x, x), axes, keepdims=1)
    root = call.node("Sqrt", call.node("Add", mean_square, call.number(call.operator.eps)))
    normalized = call.node("Div", x, root)
    return call.node("Mul", normalized, *call.parameters) if call.operator.scale else normalized


_ONE_NODE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "hard_swish": ("HardSwish", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "gelu": ("Gelu", {}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "mish": ("Mish", {}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
    "tanh": ("Tanh", {}),
}


def _activation(call: Call[Activation]) -> str:
    operator, x = call.operator, call.inputs[0]
    if operator.function == "relu6":
        return call.node("Clip", x, call.number(0), call.number(6))
    if operator.function == "silu":
        return call.node("Mul", x, call.node("Sigmoid", x))
    if operator.slope is not None:
        return call.node({"leaky_relu": "LeakyRelu", "elu": "Elu"}[operator.function], x, alpha=operator.slope)
    kind, attributes = _ONE_NODE[operator.function]
    return call.node(kind, x, **attributes)


def _pool(call: Call[Pool]) -> str:
    operator = call.operator
    attributes: dict[str, Any] = {
        "kernel_shape": operator.kernel,
        "strides": operator.stride,
        "pads": operator.padding * 2,
        "ceil_mode": int(operator.ceil),
    }
    if operator.kind == "max":
        return call.node("MaxPool", *call.inputs, **attributes)
    return call.node("AveragePool", *call.inputs, **attributes, count_include_pad=int(operator.count_padding))


def _global_pool(call: Call[GlobalPool]) -> str:
    """A global pooling; over both axes of feature maps by the node for which a runtime need not change their layout."""
    operator = call.operator
    if sorted(operator.axes) == [-2, -1] and len(call.shapes[0]) == 3:
        pooled = call.node("GlobalAveragePool" if operator.kind == "mean" else "GlobalMaxPool", *call.inputs)
        return pooled if operator.keep else call.node("Flatten", pooled)
    kind = "ReduceMean" if operator.kind == "mean" else "ReduceMax"
    return call.node(kind, *call.inputs, call.integers(*operator.axes), keepdims=int(operator.keep))


def _reshape(call: Call[Reshape]) -> str:
    """A reshaping; a size of 0 stands for that of the same axis of the input, here the batch."""
    return call.node("Reshape", *call.inputs, call.integers(0, *call.operator.shape))


def _transpose(call: Call[Transpose]) -> str:
    rank = len(call.operator.order) + 1
    return call.node("Transpose", *call.inputs, perm=[0, *(rank + axis for axis in call.operator.order)])


def _slice(call: Call[Slice]) -> str:
    operator = call.operator
    bounds = (operator.start, operator.stop, operator.axis, operator.step)
    return call.node("Slice", *call.inputs, *map(call.integers, bounds))


def _pad(call: Call[Pad]) -> str:
    padding = call.operator.padding
    sides = call.integers(*(sides[end] for end in (0, 1) for sides in padding))
    axes = call.integers(*range(-len(padding), 0))
    return call.node("Pad", *call.inputs, sides, call.number(call.operator.value), axes)


def _softmax(call: Call[Softmax]) -> str:
    return call.node("Softmax", *call.inputs, axis=call.operator.axis)


def _concatenate(call: Call[Concatenate]) -> str:
    return call.node("Concat", *call.inputs, axis=call.operator.axis)


ONNX_FORMS: Registry[Callable[[Call[Any]], str]] = Registry(
    "onnx form",
    {
        "convolution": _convolution,
        "linear": _linear,
        "embedding": lambda call: call.node("Gather", *call.parameters, *call.inputs, axis=0),
        "matrix_product": lambda call: call.node("MatMul", *call.inputs),
        "attention": _attention,
        "add": lambda call: call.node("Add", *call.inputs),
        "multiply": lambda call: call.node("Mul", *call.inputs),
        "concatenate": _concatenate,
        "batch_norm": _batch_norm,
        "group_norm": _group_norm,
        "layer_norm": _layer_norm,
        "rms_norm": _rms_norm,
        "activation": _activation,
        "softmax": _softmax,
        "pool": _pool,
        "global_pool": _global_pool,
        "reshape": _reshape,
        "flatten": lambda call: call.node("Flatten", *call.inputs),
        "transpose": _transpose,
        "slice": _slice,
        "pad": _pad,
        "constant": lambda call: call.parameters[0],
    },
)
