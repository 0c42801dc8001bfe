"""The top eigenvalue of each layer, against the dense Hessian."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.loss_hessian import LossHessian
from nas.compression.sensitivity.top_eigenvalue import TopEigenvalue
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.tasks.registry import TASKS
from search_spaces.compression_policy import LayerPolicy


def test_eigenvalues_are_those_of_the_dense_blocks(perceptron: CompressionSubject, hessian: Tensor) -> None:
    found = TopEigenvalue().find_eigenvalues(LossHessian(perceptron))
    blocks = (hessian[:30, :30], hessian[30:, 30:])
    expected = [float(torch.linalg.eigvalsh(block)[-1]) for block in blocks]
    np.testing.assert_allclose(found, expected, rtol=1e-2)


def test_of_a_quadratic_it_is_known_to_a_thousandth() -> None:
    """METHODS 2.4, F1: the Hessian of a mean squared error by a linear layer is twice the second moments of its inputs.

    One eigenvalue stands apart: the rule of stopping ends between two that are close.
    """
    torch.manual_seed(0)
    factor, targets = torch.randn(30, 6) * torch.tensor([3.0, 1.0, 1.0, 1.0, 1.0, 1.0]), torch.randn(30, 1)
    data, traced = CalibrationData(factor, targets, batch=7), trace(nn.Linear(6, 1, bias=False), [factor[:2]])
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(2)], data, task=TASKS["regression"])
    (found,) = TopEigenvalue().find_eigenvalues(LossHessian(subject))
    assert found == pytest.approx(float(torch.linalg.eigvalsh(2 * factor.T @ factor / 30)[-1]), rel=1e-3)


class Square(nn.Module):
    """The square of a linear layer: the squared error of a target above it is concave in the weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs).square()


def test_negative_curvature_keeps_its_sign() -> None:
    module = Square()
    with torch.no_grad():
        module.layer.weight.copy_(torch.tensor([[1e-3, 2e-3, -1e-3]]))
    data = CalibrationData(torch.tensor([[1.0, 2.0, 2.0]]), torch.tensor([[1.0]]))
    traced = trace(module, [torch.zeros(2, 3)])
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(2)], data, task=TASKS["regression"])
    (value,) = TopEigenvalue().find_eigenvalues(LossHessian(subject))
    assert value == pytest.approx(-4 * 9, rel=1e-3)  # (h^2 - 1)^2 by h at 0 is -4, and |x|^2 is 9
    assert float(TopEigenvalue().damage(subject)[0][0]) > 0
