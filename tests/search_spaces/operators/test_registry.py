"""Every operator keeps the contract: text, shapes and counts are those of what runs in torch and in ONNX."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hardware.profiling.onnx_call import Call
from hardware.profiling.onnx_forms import ONNX_FORMS, write_operator
from search_spaces.elastic.torch_forms import TORCH_FORMS, run_operator
from search_spaces.operators.arrangement import Flatten, GlobalPool, Pad, Pool, Reshape, Slice, Transpose
from search_spaces.operators.opaque import Constant, Item, Opaque
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.pointwise import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    RmsNorm,
    Softmax,
)
from search_spaces.operators.products import Add, Attention, Concatenate, MatrixProduct, Multiply
from search_spaces.operators.registry import OPERATORS, parse_operator
from search_spaces.operators.weighted import Convolution, Embedding, Linear

SLOPES = {"leaky_relu": 0.1, "elu": 0.5}
WITHOUT_ONNX = ("opaque", "item")  # torch's exporter alone knows what they become

# A line here gives an operator all tests of this file.
CALLS: list[tuple[Operator, list[Shape]]] = [
    (Convolution.square(4, 6, 3, 2, bias=True), [(4, 7, 9)]),
    (Convolution.square(6, 6, 5, groups=6), [(6, 8, 8)]),
    (Convolution.square(8, 4), [(8, 5, 5)]),
    (Convolution(4, 6, (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2), 2, True), [(4, 9, 8)]),
    (Convolution(3, 5, (4,), (2,), ((1, 2),), (2,), bias=True), [(3, 20)]),
    (Convolution(4, 6, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 2, True, True, (1, 0)), [(4, 5, 6)]),
    (Convolution(4, 2, (4,), (2,), ((1, 1),), (1,), transposed=True), [(4, 9)]),
    (Linear(8, 5, True), [(8,)]),
    (Linear(8, 5, True), [(7, 8)]),
    (Linear(8, 5), [(2, 7, 8)]),
    (Embedding(11, 6), [(7,)]),
    (MatrixProduct(), [(3, 5, 4), (3, 4, 6)]),
    (Attention(), [(2, 5, 4), (2, 7, 4), (2, 7, 3)]),
    (Attention(scale=0.3, causal=True), [(2, 5, 4)] * 3),
    (Attention(), [(4, 5, 4), (2, 5, 4), (2, 5, 4), (1, 5, 5)]),
    (Add(), [(3, 4, 5), (3, 4, 5)]),
    (Multiply(), [(3, 4, 5), (3, 1, 1)]),
    (Concatenate(-3), [(3, 4, 5), (2, 4, 5), (1, 4, 5)]),
    (BatchNorm(6), [(6, 4, 5)]),
    (BatchNorm(6, 1, 1e-3, affine=False), [(6, 7)]),
    (GroupNorm(2, 6), [(6, 4, 5)]),
    (GroupNorm(3, 6, 1, affine=False), [(6, 7)]),
    (LayerNorm((6,)), [(5, 6)]),
    (LayerNorm((4, 6), 1e-6, scale=False, shift=False), [(3, 4, 6)]),
    (RmsNorm((6,)), [(5, 6)]),
    *((Activation(function, SLOPES.get(function)), [(3, 4)]) for function in ACTIVATIONS),
    (Softmax(), [(3, 5)]),
    (Softmax(-2), [(3, 5)]),
    (Pool("max", (3, 3), (2, 2), (1, 1)), [(4, 8, 9)]),
    (Pool("max", (3, 3), (2, 2), (0, 0), ceil=True), [(4, 8, 9)]),
    (Pool("mean", (2, 2), (2, 2), (0, 0), ceil=True), [(4, 8, 8)]),
    (Pool("mean", (3, 3), (1, 1), (1, 1), count_padding=False), [(4, 6, 6)]),
    (Pool("mean", (2,), (2,), (0,)), [(4, 9)]),
    (GlobalPool(), [(4, 5, 6)]),
    (GlobalPool(kind="max", keep=True), [(4, 5, 6)]),
    (GlobalPool((-2,)), [(7, 6)]),
    (Reshape((2, 3, 10)), [(6, 10)]),
    (Flatten(), [(4, 2, 3)]),
    (Transpose((-1, -3, -2)), [(3, 4, 5)]),
    (Slice(-2, 1, 6, 2), [(3, 7, 4)]),
    (Pad(((1, 2), (0, 3)), 0.5), [(3, 4, 5)]),
    (Pad(((0, 0), (1, 1), (0, 0))), [(3, 4, 5)]),
    (Constant((1, 3, 4)), []),
    (Opaque("aten.cumsum.default", '[[{"input":0},-1],{}]', (3, 4)), [(3, 4)]),
    (Item(1, (4,)), [()]),
]
BATCH = 3


@dataclass
class Builder:
    """Gathers the nodes and constants of one form."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def node(self, op: str, inputs: list[str], attributes: dict[str, Any] | None = None) -> str:
        self.nodes.append(helper.make_node(op, inputs, [f"value_{len(self.nodes)}"], **(attributes or {})))
        return f"value_{len(self.nodes) - 1}"

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), f"constant_{len(self.constants)}"))
        return f"constant_{len(self.constants) - 1}"


def tensors(operator: Operator, shapes: list[Shape]) -> tuple[list[Tensor], list[Tensor]]:
    """Random inputs and stored tensors of an operator."""
    generator = torch.Generator().manual_seed(0)
    stored = [torch.rand(shape, generator=generator) + 0.2 for shape in operator.parameter_shapes.values()]
    if isinstance(operator, Embedding):
        return [torch.randint(operator.rows, (BATCH, *shape), generator=generator) for shape in shapes], stored
    return [2 * torch.randn(BATCH, *shape, generator=generator) for shape in shapes], stored


def run_onnx(operator: Operator, shapes: list[Shape], inputs: list[Tensor], stored: list[Tensor]) -> Tensor:
    builder = Builder()
    names = [f"input_{place}" for place in range(len(inputs))]
    weights = [builder.constant(tensor.numpy()) for tensor in stored]
    output = builder.node("Identity", [write_operator(Call(builder, operator, names, weights, shapes))])
    types = [TensorProto.INT64 if tensor.dtype == torch.int64 else TensorProto.FLOAT for tensor in inputs]
    values = [
        helper.make_tensor_value_info(name, kind, ("batch", *shape))
        for name, kind, shape in zip(names, types, shapes, strict=True)
    ]
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(builder.nodes, "one", values, [result], builder.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return torch.from_numpy(
        session.run(None, {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)})[0]
    )


def test_every_operator_is_tested_and_has_its_forms() -> None:
    assert {operator.name for operator, _ in CALLS} == set(OPERATORS) == set(TORCH_FORMS)
    assert set(OPERATORS) - set(ONNX_FORMS) == set(WITHOUT_ONNX)


@pytest.mark.parametrize(("operator", "shapes"), CALLS, ids=lambda value: str(value).replace(" ", "-"))
def test_contract(operator: Operator, shapes: list[Shape]) -> None:
    assert parse_operator(str(operator)) == operator
    assert hash(parse_operator(str(operator))) == hash(operator)
    if isinstance(operator, Item):
        assert operator.output_shape(*shapes) == operator.shape
        return
    inputs, stored = tensors(operator, shapes)
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):  # the products of the other kernels are not counted
        found = run_operator(operator, inputs, stored)
    expected_shape = tuple(found.shape) if isinstance(operator, Constant) else (BATCH, *operator.output_shape(*shapes))
    assert tuple(found.shape) == expected_shape
    assert operator.macs(*shapes) * BATCH * 2 == counter.get_total_flops()
    if operator.weight_shape is not None:
        assert operator.weights == stored[0].numel()
    trainable = [math.prod(shape) for role, shape in operator.parameter_shapes.items() if role in ("weight", "bias")]
    assert isinstance(operator, Constant) or operator.parameters == sum(trainable)
    if operator.name not in WITHOUT_ONNX:
        torch.testing.assert_close(run_onnx(operator, shapes, inputs, stored), found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("operator", "shapes"), CALLS[:26], ids=lambda value: str(value).replace(" ", "-"))
def test_inputs_of_another_shape_are_refused_in_one_line(operator: Operator, shapes: list[Shape]) -> None:
    with pytest.raises(ValueError, match=rf"^operator {operator.name} reads .*, got \(9999, 1\)"):
        operator.output_shape(*[(9999, 1)] * (len(shapes) + 3))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dense in=3", r"unknown operator 'dense'; known operators: convolution, linear"),
        ("linear in_features=3", r"an operator is written as its name and attributes.*got 'linear in_features=3'"),
        ("linear in_features=x out_features=2", r"an operator is written as its name and attributes"),
        ('activation function="step"', r"an activation is one of relu, .*; got 'step' and slope None"),
    ],
)
def test_what_is_no_operator_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        parse_operator(text)
