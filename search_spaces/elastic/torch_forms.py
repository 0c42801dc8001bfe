"""How each operator runs in torch: the one table of torch forms.

A torch form is a function of the operator, of the values that the node reads (with their batch axis) and of its stored
tensors; it returns the value of the node. Another package adds the form of its operator by an entry point
`nas.torch_forms` of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.elastic.fast_convolution import depthwise_conv2d, pointwise_conv2d
from search_spaces.elastic.opaque_calls import call_opaque
from search_spaces.operators.arrangement import Flatten, GlobalPool, Pad, Pool, Reshape, Slice, Transpose
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import Activation, BatchNorm, GroupNorm, LayerNorm, RmsNorm
from search_spaces.operators.products import Attention
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.registry import Registry

TorchForm = Callable[[Any, Sequence[Tensor], Sequence[Tensor]], Tensor]


def run_operator(operator: Operator, inputs: Sequence[Tensor], parameters: Sequence[Tensor] = ()) -> Tensor:
    """The value of a node, of shape (batch, ...) where its inputs have a batch axis.

    Args:
        operator: The operator of the node.
        inputs: The values that the node reads, each of shape (batch, ...).
        parameters: The stored tensors of the node, in the order of `operator.parameter_shapes`.
    """
    return TORCH_FORMS[operator.name](operator, inputs, parameters)


def _convolution(operator: Convolution, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    x, weight, bias = inputs[0], parameters[0], _optional(parameters, 1)
    axes, padding = len(operator.kernel), tuple(before for before, _ in operator.padding)
    if operator.transposed:
        return _transposed_convolution(operator, x, weight, bias)
    if any(before != after for before, after in operator.padding):
        x, padding = F.pad(x, _torch_padding(operator.padding)), (0,) * axes
    if axes == 2 and operator.is_pointwise:
        return pointwise_conv2d(x, weight, bias)
    square = {len(set(sides)) for sides in (operator.kernel, operator.stride, padding)} == {1}
    if axes == 2 and operator.is_depthwise and square and operator.dilation == (1, 1):
        return depthwise_conv2d(x, weight, bias, operator.stride[0], padding[0])
    run = F.conv1d if axes == 1 else F.conv2d
    return run(x, weight, bias, operator.stride, padding, operator.dilation, operator.groups)


def _transposed_convolution(operator: Convolution, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Runs a transposed convolution; torch takes equal padding on both sides only, so other padding is cut off here."""
    run = F.conv_transpose1d if len(operator.kernel) == 1 else F.conv_transpose2d
    extra = operator.output_padding or (0,) * len(operator.kernel)
    if all(before == after for before, after in operator.padding):
        padding = [before for before, _ in operator.padding]
        return run(x, weight, bias, operator.stride, padding, extra, operator.groups, operator.dilation)
    y = run(x, weight, bias, operator.stride, 0, extra, operator.groups, operator.dilation)
    return F.pad(y, [-side for side in _torch_padding(operator.padding)])


def _linear(operator: Linear, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    return F.linear(inputs[0], parameters[0], _optional(parameters, 1))


def _attention(operator: Attention, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    query, key, value = inputs[:3]
    grouped = query.dim() > 3 and key.shape[-3] != query.shape[-3]
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        _optional(inputs, 3),
        is_causal=operator.causal,
        scale=operator.scale,
        enable_gqa=grouped,
    )


def _batch_norm(operator: BatchNorm, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    weight, bias = parameters[:2] if operator.affine else (None, None)
    mean, variance = parameters[-2:]
    return F.batch_norm(inputs[0], mean, variance, weight, bias, eps=operator.eps)


def _group_norm(operator: GroupNorm, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    weight, bias = parameters or (None, None)
    return F.group_norm(inputs[0], operator.groups, weight, bias, operator.eps)


def _layer_norm(operator: LayerNorm, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    weight = parameters[0] if operator.scale else None
    bias = parameters[-1] if operator.shift else None
    return F.layer_norm(inputs[0], operator.shape, weight, bias, operator.eps)


def _rms_norm(operator: RmsNorm, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    return F.rms_norm(inputs[0], operator.shape, _optional(parameters, 0), operator.eps)


_FUNCTIONS: Mapping[str, Callable[..., Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "hard_swish": F.hardswish,
    # the hard sigmoid of torch has no second derivative, which some sensitivity metrics need
    "hard_sigmoid": lambda x: F.relu6(x + 3) / 6,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}


def _activation(operator: Activation, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    function = _FUNCTIONS[operator.function]
    return function(inputs[0]) if operator.slope is None else function(inputs[0], operator.slope)


def _pool(operator: Pool, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    window = (inputs[0], operator.kernel, operator.stride, operator.padding)
    one = len(operator.kernel) == 1
    if operator.kind == "max":
        return (F.max_pool1d if one else F.max_pool2d)(*window, ceil_mode=operator.ceil)
    return (F.avg_pool1d if one else F.avg_pool2d)(*window, operator.ceil, operator.count_padding)


def _global_pool(operator: GlobalPool, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    pool = torch.mean if operator.kind == "mean" else torch.amax
    return pool(inputs[0], operator.axes, operator.keep)


def _reshape(operator: Reshape, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    return inputs[0].reshape(inputs[0].shape[0], *operator.shape)


def _flatten(operator: Flatten, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    return inputs[0].flatten(1)


def _transpose(operator: Transpose, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    return inputs[0].permute(0, *operator.order)


def _slice(operator: Slice, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    x, axis = inputs[0], inputs[0].dim() + operator.axis
    return torch.ops.aten.slice.Tensor(x, axis, operator.start, operator.stop, operator.step)


def _pad(operator: Pad, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    return F.pad(inputs[0], _torch_padding(operator.padding), value=operator.value)


def _optional(tensors: Sequence[Tensor], index: int) -> Tensor | None:
    return tensors[index] if len(tensors) > index else None


def _torch_padding(padding: tuple[tuple[int, int], ...]) -> list[int]:
    """Padding in the order of torch: of the last axis first."""
    return [side for sides in reversed(padding) for side in sides]


TORCH_FORMS: Registry[TorchForm] = Registry(
    "torch form",
    {
        "convolution": _convolution,
        "linear": _linear,
        "embedding": lambda _, inputs, parameters: F.embedding(inputs[0], parameters[0]),
        "matrix_product": lambda _, inputs, __: inputs[0] @ inputs[1],
        "attention": _attention,
        "add": lambda _, inputs, __: inputs[0] + inputs[1],
        "multiply": lambda _, inputs, __: inputs[0] * inputs[1],
        "concatenate": lambda operator, inputs, _: torch.cat([*inputs], operator.axis),
        "batch_norm": _batch_norm,
        "group_norm": _group_norm,
        "layer_norm": _layer_norm,
        "rms_norm": _rms_norm,
        "activation": _activation,
        "softmax": lambda operator, inputs, _: inputs[0].softmax(operator.axis),
        "pool": _pool,
        "global_pool": _global_pool,
        "reshape": _reshape,
        "flatten": _flatten,
        "transpose": _transpose,
        "slice": _slice,
        "pad": _pad,
        "constant": lambda _, __, parameters: parameters[0],
        "opaque": call_opaque,
        "item": lambda operator, inputs, _: inputs[0][operator.index],
    },
)
