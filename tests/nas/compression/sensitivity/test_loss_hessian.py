"""Products with the Hessian, against the dense one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.loss_hessian import LossHessian, own_loss
from nas.compression.sensitivity.output_curvature import OutputCurvature
from nas.compression.subject import CompressionSubject
from nas.tasks.registry import TASKS


def test_products_are_those_of_the_dense_matrix_over_all_batches(
    perceptron: CompressionSubject, hessian: Tensor
) -> None:
    vector = torch.randn(6, 5)
    found = LossHessian(perceptron).multiply({(0, 0): vector}, [(0, 0), (1, 0)])
    expected = hessian[:, :30] @ vector.flatten()
    torch.testing.assert_close(
        torch.cat([found[0, 0].flatten(), found[1, 0].flatten()]), expected, rtol=1e-3, atol=1e-5
    )


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
