"""Gradients of single samples against those that autograd gives of one sample after the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nas.compression.sensitivity.sample_gradients import compute_sample_gradients
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution, Embedding, Linear

TWO = ((2, 1), (2, 1), ((1, 0), (0, 1)), (1, 2))  # kernel, stride, padding, dilation
OPERATORS: dict[str, tuple[Operator, Tensor]] = {
    "linear": (Linear(3, 2, bias=True), torch.randn(4, 3)),
    "tokens": (Linear(3, 2), torch.randn(4, 5, 3)),
    "windows of a sample": (Linear(3, 2), torch.randn(8, 5, 3)),
    "grouped": (Convolution(4, 6, *TWO, groups=2, bias=True), torch.randn(4, 4, 6, 5)),
    "depthwise": (Convolution.square(4, 4, 3, 2, groups=4), torch.randn(4, 4, 5, 5)),
    "one axis": (Convolution(3, 2, (3,), (2,), ((2, 1),), (1,)), torch.randn(4, 3, 7)),
    "transposed": (Convolution(4, 6, *TWO, groups=2, transposed=True), torch.randn(4, 4, 6, 5)),
    "embedding": (Embedding(5, 3), torch.tensor([[0, 1], [1, 1], [4, 2], [3, 3]])),
}


@pytest.mark.parametrize("name", list(OPERATORS))
def test_each_row_is_the_gradient_of_a_sample(name: str) -> None:
    operator, inputs = OPERATORS[name]
    parameters = [torch.randn(shape) for shape in operator.parameter_shapes.values()]
    output = run_operator(operator, [inputs], parameters)
    gradient = torch.randn_like(output)
    found = compute_sample_gradients(operator, inputs, gradient, parameters, 4)
    weight = parameters[0].requires_grad_()
    for row, x, y in zip(found, inputs.chunk(4), gradient.chunk(4), strict=True):
        (expected,) = torch.autograd.grad(run_operator(operator, [x], [weight, *parameters[1:]]), weight, y)
        torch.testing.assert_close(row, to_output_first(expected, operator).flatten(), rtol=1e-4, atol=1e-5)


def test_a_batch_whose_samples_cannot_be_told_apart_is_one_row() -> None:
    operator, inputs = Linear(3, 2), torch.randn(1, 5, 3)
    assert compute_sample_gradients(operator, inputs, torch.randn(1, 5, 2), [torch.randn(2, 3)], 4).shape == (1, 6)
