"""Small networks whose sensitivities are known or are computed plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.tasks.registry import TASKS
from search_spaces.compression_policy import LayerPolicy


class Residual(nn.Module):
    """A block whose shortcut and a pooled branch read what a layer has rounded."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.inner, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.stem(images)).relu()
        return self.head((x + self.inner(x)).relu().mean((2, 3)))


@pytest.fixture
def residual() -> CompressionSubject:
    """Three layers, of which each may be left, quantised in both parts, or in one."""
    torch.manual_seed(0)
    module = Residual().eval()
    data = CalibrationData(torch.randn(10, 2, 5, 5), torch.arange(10) % 3, batch=4)
    policies = [LayerPolicy.parse(text) for text in ("w32a32", "w3a4", "w3a32", "w32a4")]
    traced = trace(module, [torch.zeros(2, 2, 5, 5)])
    return CompressionSubject.uniform_choices(traced, policies, data, task=TASKS["classification"])


@pytest.fixture
def perceptron() -> CompressionSubject:
    """Two layers with a ReLU between them, whose Hessian can be written out; its labels are those of a task."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(5, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False)).eval()
    data = CalibrationData(2 * torch.randn(12, 5), torch.arange(12) % 3, batch=5)
    policies = [LayerPolicy.parse(text) for text in ("w32a32", "w4a32", "w2a32")]
    traced = trace(module, [torch.zeros(2, 5)])
    return CompressionSubject.uniform_choices(traced, policies, data, task=TASKS["classification"])


@pytest.fixture
def hessian(perceptron: CompressionSubject) -> Tensor:
    """The Hessian of the mean loss of `perceptron`, shape (48, 48); its layers have 30 and 18 weights."""
    data, weights = perceptron.need_data(), perceptron.weights
    sizes = [weight.numel() for weight in weights]

    def loss(flat: Tensor) -> Tensor:
        first, second = (part.view(like.shape) for part, like in zip(flat.split(sizes), weights, strict=True))
        assert data.labels is not None
        return torch.nn.functional.cross_entropy((data.inputs @ first.T).relu() @ second.T, data.labels)

    found: Tensor = torch.autograd.functional.hessian(loss, torch.cat([weight.flatten() for weight in weights]))
    return found
