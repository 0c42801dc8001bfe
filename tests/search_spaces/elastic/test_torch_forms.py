"""What torch's own functions lack; the contract of every form is tested with the registry of operators."""

from __future__ import annotations

import torch

from search_spaces.elastic.torch_forms import run_operator
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.weighted import Convolution


def test_a_hard_sigmoid_has_a_second_derivative() -> None:
    inputs = torch.tensor([-4.0, -1.0, 0.5, 4.0], dtype=torch.float64, requires_grad=True)
    outputs = run_operator(Activation("hard_sigmoid"), [inputs])
    torch.testing.assert_close(outputs, torch.nn.functional.hardsigmoid(inputs))
    (gradient,) = torch.autograd.grad((outputs**2).sum(), inputs, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), inputs)
    assert second.tolist() == [0.0, 2 / 36, 2 / 36, 0.0]


def test_padding_may_differ_before_and_after() -> None:
    inputs, weight = torch.arange(4.0).reshape(1, 1, 4), torch.ones(1, 1, 2)
    plain = Convolution(1, 1, (2,), (1,), ((2, 0),), (1,))
    assert run_operator(plain, [inputs], [weight]).flatten().tolist() == [0, 0, 1, 3, 5]
    transposed = Convolution(1, 1, (2,), (1,), ((1, 2),), (1,), transposed=True)
    assert run_operator(transposed, [inputs], [weight]).flatten().tolist() == [1, 3]  # of 0, 1, 3, 5, 3
