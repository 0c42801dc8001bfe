"""The factor of the curvature, multiplied out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nas.compression.sensitivity.output_curvature import OutputCurvature
from nas.tasks.registry import TASKS


def multiply_out(task: str | None, outputs: Tensor) -> Tensor:
    """L L' of the first sample."""
    curvature = OutputCurvature(None if task is None else TASKS[task])
    shape = curvature.probe_shape(outputs)
    size = torch.Size(shape).numel()
    columns = [curvature.spread(outputs, probe.reshape(shape))[0] for probe in torch.eye(size)]
    return torch.stack([torch.outer(column, column) for column in columns]).sum(0)


def test_probabilities_have_the_hessian_of_the_cross_entropy() -> None:
    outputs = torch.randn(1, 4)
    p = outputs[0].softmax(0)
    torch.testing.assert_close(multiply_out("classification", outputs), torch.diag(p) - torch.outer(p, p))


def test_several_distributions_of_a_sample_share_its_mean_loss() -> None:
    outputs = torch.randn(2, 3)
    p = outputs[0].sigmoid()
    torch.testing.assert_close(multiply_out("multi_label", outputs), torch.diag(p * (1 - p) / 3))


@pytest.mark.parametrize("task", [None, "regression"])
def test_numbers_have_that_of_the_mean_squared_error(task: str | None) -> None:
    torch.testing.assert_close(multiply_out(task, torch.randn(1, 4)), 2 / 4 * torch.eye(4))
