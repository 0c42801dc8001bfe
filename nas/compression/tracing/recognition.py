"""Recognises the calls of torch that are operators of network graphs; `RECOGNIZERS` is the table of all of them.

A recogniser gets a call. It returns the operator, or an alias of the value that the call passes on, or None: then the
call becomes an opaque node. Layers are recognised by operation and parameter, not by the class of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from nas.compression.tracing.arrangement_recognition import ARRANGEMENTS
from nas.compression.tracing.call import Alias, Recognized, TorchCall, repeat_per_axis
from search_spaces.operators.pointwise import Activation, BatchNorm, GroupNorm, LayerNorm, RmsNorm, Softmax
from search_spaces.operators.products import Add, Attention, Concatenate, MatrixProduct, Multiply
from search_spaces.operators.weighted import Convolution, Embedding, Linear

Recognizer = Callable[[TorchCall], Recognized | Alias | None]


def recognize(call: TorchCall) -> Recognized | Alias | None:
    """The operator or alias that a call is; None if it is none, or if torch gives the call another output shape."""
    name = str(call.node.target).removeprefix("aten.").removesuffix(".default")
    recognizer = RECOGNIZERS.get(name)
    found = None if recognizer is None else recognizer(call)
    if not isinstance(found, Recognized):
        return found
    try:
        shape = found.operator.output_shape(*map(call.shape, found.inputs))
    except ValueError:
        return None
    return found if shape == _torch_shape(call) else None


def _torch_shape(call: TorchCall) -> tuple[int, ...]:
    value = call.node.meta["val"]
    return call.batch.without((value[0] if isinstance(value, list | tuple) else value).shape)


def _convolution(axes: int, call: TorchCall) -> Recognized | None:
    if not call.is_stored("weight", "bias"):
        return None
    weight = call.stored("weight")
    transposed = bool(call.arguments.get("transposed", "output_padding" in call.arguments))
    stride, dilation = repeat_per_axis(call["stride"], axes), repeat_per_axis(call["dilation"], axes)
    kernel, groups = tuple(weight.shape[2:]), call["groups"]
    out_channels, in_channels = weight.shape[0], weight.shape[1] * groups
    if transposed:
        out_channels, in_channels = in_channels, weight.shape[0]
    extra = repeat_per_axis(call["output_padding"], axes) if transposed else None
    padding = _padding(call["padding"], kernel, dilation)
    bias = call["bias"] is not None
    operator = Convolution(
        in_channels, out_channels, kernel, stride, padding, dilation, groups, bias, transposed, extra
    )
    return Recognized(operator, (call["input"],), call.present("weight", "bias"))


def _any_convolution(call: TorchCall) -> Recognized | None:
    axes = call.rank(call["weight"]) - 2
    return _convolution(axes, call) if axes in (1, 2) else None


def _linear(call: TorchCall) -> Recognized | None:
    if not call.is_stored("weight", "bias") or call.rank(call["weight"]) != 2:
        return None
    out_features, in_features = call.stored("weight").shape
    operator = Linear(in_features, out_features, call["bias"] is not None)
    return Recognized(operator, (call["input"],), call.present("weight", "bias"))


def _matrix_product(first: str, second: str, call: TorchCall) -> Recognized | None:
    """A linear layer if the second matrix depends on no input, with its transpose as the weight; else a product."""
    if call[second] in call.constants and call.rank(call[second]) == 2:
        in_features, out_features = call.stored(second).shape
        return Recognized(Linear(in_features, out_features), (call[first],), ((call[second], _transposed),))
    if min(call.rank(call[first]), call.rank(call[second])) < 3:
        return None
    return Recognized(MatrixProduct(), (call[first], call[second]))


def _add_matrix_product(call: TorchCall) -> Recognized | None:
    stored = call.is_stored("self", "mat2") and call.rank(call["self"]) == 1
    if not stored or call["beta"] != 1 or call["alpha"] != 1:
        return None
    in_features, out_features = call.stored("mat2").shape
    operator = Linear(in_features, out_features, True)
    return Recognized(operator, (call["mat1"],), ((call["mat2"], _transposed), (call["self"], None)))


def _embedding(call: TorchCall) -> Recognized | None:
    if not call.is_stored("weight"):
        return None
    rows, width = call.stored("weight").shape
    return Recognized(Embedding(rows, width), (call["indices"],), call.present("weight"))


def _attention(call: TorchCall) -> Recognized | None:
    if call["dropout_p"] or min(call.rank(call[name]) for name in ("query", "key", "value")) < 3:
        return None
    mask = () if call["attn_mask"] is None else (call["attn_mask"],)
    return Recognized(Attention(call["scale"], call["is_causal"]), (call["query"], call["key"], call["value"], *mask))


def _batch_norm(call: TorchCall) -> Recognized | None:
    roles = ("weight", "bias", "running_mean", "running_var")
    present = [call[role] is not None for role in roles]
    if not call.is_stored(*roles) or present not in ([True] * 4, [False, False, True, True]):
        return None
    channels = call.stored("running_mean").shape[0]
    operator = BatchNorm(channels, call.rank(call["input"]) - 2, call["eps"], present[0])
    return Recognized(operator, (call["input"],), call.present(*roles))


def _group_norm(call: TorchCall) -> Recognized | None:
    present = [call[role] is not None for role in ("weight", "bias")]
    if not call.is_stored("weight", "bias") or present[0] != present[1]:
        return None
    channels, axes = int(call["input"].meta["val"].shape[1]), call.rank(call["input"]) - 2
    operator = GroupNorm(call["num_groups"], channels, axes, call["eps"], present[0])
    return Recognized(operator, (call["input"],), call.present("weight", "bias"))


def _layer_norm(call: TorchCall) -> Recognized | None:
    if not call.is_stored("weight", "bias"):
        return None
    scale, shift = (call[role] is not None for role in ("weight", "bias"))
    operator = LayerNorm(tuple(call["normalized_shape"]), call["eps"], scale, shift)
    return Recognized(operator, (call["input"],), call.present("weight", "bias"))


def _rms_norm(call: TorchCall) -> Recognized | None:
    if not call.is_stored("weight") or call["eps"] is None:
        return None
    operator = RmsNorm(tuple(call["normalized_shape"]), call["eps"], call["weight"] is not None)
    return Recognized(operator, (call["input"],), call.present("weight"))


def _add(call: TorchCall) -> Recognized | Alias | None:
    if call["other"] == 0:  # where Python's sum begins
        return Alias(call["self"])
    if not call.is_value("self", "other") or call["alpha"] != 1:
        return None
    return Recognized(Add(), (call["self"], call["other"]))


def _multiply(call: TorchCall) -> Recognized | None:
    return Recognized(Multiply(), (call["self"], call["other"])) if call.is_value("self", "other") else None


def _concatenate(call: TorchCall) -> Recognized | Alias | None:
    tensors = tuple(call["tensors"])
    if len(tensors) == 1:
        return Alias(tensors[0])
    if call.is_batch(call["dim"], call.node):
        return None
    return Recognized(Concatenate(call.axis(call["dim"], call.node)), tensors)


def _softmax(call: TorchCall) -> Recognized | None:
    cast = call["dtype"] is not None and call["dtype"] != call["self"].meta["val"].dtype
    if cast or call.is_batch(call["dim"], call.node):
        return None
    return Recognized(Softmax(call.axis(call["dim"], call.node)), (call["self"],))


def _function(function: str, call: TorchCall) -> Recognized:
    return Recognized(Activation(function), (call["self"],))


def _gelu(call: TorchCall) -> Recognized:
    return _function("gelu_tanh" if call["approximate"] == "tanh" else "gelu", call)


def _leaky_relu(call: TorchCall) -> Recognized:
    return Recognized(Activation("leaky_relu", float(call["negative_slope"])), (call["self"],))


def _elu(call: TorchCall) -> Recognized | None:
    if call["scale"] != 1 or call["input_scale"] != 1:
        return None
    return Recognized(Activation("elu", float(call["alpha"])), (call["self"],))


def _hardtanh(call: TorchCall) -> Recognized | None:
    return _function("relu6", call) if (call["min_val"], call["max_val"]) == (0, 6) else None


def _softplus(call: TorchCall) -> Recognized | None:
    return _function("softplus", call) if (call["beta"], call["threshold"]) == (1, 20) else None


def _transposed(matrix: Tensor) -> Tensor:
    return matrix.t()


def _padding(value: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Zeros before and after along each axis; for `same`, an odd number has the extra zero after."""
    if value == "same":
        reach = [steps * (side - 1) for side, steps in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in reach)
    sides = (0,) * len(kernel) if value == "valid" else repeat_per_axis(value, len(kernel))
    return tuple((side, side) for side in sides)


RECOGNIZERS: Mapping[str, Recognizer] = {
    "conv1d": partial(_convolution, 1),
    "conv2d": partial(_convolution, 2),
    "conv1d.padding": partial(_convolution, 1),
    "conv2d.padding": partial(_convolution, 2),
    "conv_transpose1d": partial(_convolution, 1),
    "conv_transpose2d.input": partial(_convolution, 2),
    "convolution": _any_convolution,
    "linear": _linear,
    "addmm": _add_matrix_product,
    "mm": partial(_matrix_product, "self", "mat2"),
    "bmm": partial(_matrix_product, "self", "mat2"),
    "matmul": partial(_matrix_product, "self", "other"),
    "embedding": _embedding,
    "scaled_dot_product_attention": _attention,
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "add.Tensor": _add,
    "mul.Tensor": _multiply,
    "cat": _concatenate,
    "softmax.int": _softmax,
    "relu": partial(_function, "relu"),
    "relu6": partial(_function, "relu6"),
    "hardtanh": _hardtanh,
    "hardswish": partial(_function, "hard_swish"),
    "hardsigmoid": partial(_function, "hard_sigmoid"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": partial(_function, "silu"),
    "mish": partial(_function, "mish"),
    "sigmoid": partial(_function, "sigmoid"),
    "softplus": _softplus,
    "tanh": partial(_function, "tanh"),
    **ARRANGEMENTS,
}
