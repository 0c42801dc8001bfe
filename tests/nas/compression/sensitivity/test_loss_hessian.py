"""Products with the Hessian, against the dense one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.degradation import LossRise
from nas.compression.sensitivity.loss_hessian import LossHessian, own_loss
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.sensitivity.output_curvature import OutputCurvature
from nas.compression.sensitivity.rounding_errors import compute_weight_error
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.tasks.registry import TASKS
from search_spaces.compression_policy import LayerPolicy


def test_products_are_those_of_the_dense_matrix_over_all_batches(
    perceptron: CompressionSubject, hessian: Tensor
) -> None:
    vector = torch.randn(6, 5)
    found = LossHessian(perceptron).multiply({(0, 0): vector}, [(0, 0), (1, 0)])
    expected = hessian[:, :30] @ vector.flatten()
    torch.testing.assert_close(
        torch.cat([found[0, 0].flatten(), found[1, 0].flatten()]), expected, rtol=1e-3, atol=1e-5
    )


def test_half_of_the_squared_error_by_the_hessian_is_the_rise_of_a_quadratic_loss() -> None:
    """METHODS 2.4, F1: exact where the gradient is 0, as at the least squares."""
    torch.manual_seed(0)
    inputs, targets, layer = torch.randn(40, 5), torch.randn(40, 3), nn.Linear(5, 3, bias=False)
    layer.weight.data.copy_(torch.linalg.lstsq(inputs, targets).solution.T)
    data, policies = CalibrationData(inputs, targets, batch=16), [LayerPolicy.quantized(bits) for bits in (4, 2)]
    traced = trace(layer, [inputs[:2]])
    subject = CompressionSubject.uniform_choices(traced, policies, data, task=TASKS["regression"])
    (rises,), hessian = MeasuredAlone(LossRise()).damage(subject), LossHessian(subject)
    for policy, rise in zip(policies, rises.tolist(), strict=True):
        error = compute_weight_error(subject, 0, policy)
        product = hessian.multiply({(0, 0): error}, [(0, 0)])[0, 0]
        assert float((error * product).sum()) / 2 == pytest.approx(rise, rel=1e-3)


def test_a_single_batch_keeps_its_graph(perceptron: CompressionSubject) -> None:
    data = perceptron.need_data()
    once = LossHessian(replace(perceptron, data=CalibrationData(data.inputs, data.labels, batch=12)))
    (first,), (second,) = once.batches(), once.batches()
    assert first is second


def test_the_loss_by_own_predictions_has_the_curvature_of_the_outputs() -> None:
    for task in (None, TASKS["classification"], TASKS["multi_label"]):
        outputs = torch.randn(1, 3)
        found = torch.autograd.functional.hessian(partial(own_loss, task), outputs)
        curvature = OutputCurvature(task)
        shape = curvature.probe_shape(outputs)
        columns = [curvature.spread(outputs, probe.reshape(shape))[0] for probe in torch.eye(torch.Size(shape).numel())]
        expected = torch.stack([torch.outer(column, column) for column in columns]).sum(0)
        torch.testing.assert_close(found.reshape(3, 3), expected, rtol=1e-4, atol=1e-6)
