"""A small network to prune, with calibration data."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.tasks.registry import TASKS
from search_spaces.compression_policy import LayerPolicy


class Residual(nn.Module):
    """A stem, a block with a shortcut, and a linear layer; channel 1 of the block is read by weights of 0."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.first, self.second = nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)
        with torch.no_grad():
            self.norm.weight.uniform_(0.5, 1.5)
            self.norm.bias.uniform_(-0.5, 0.5)
            self.second.weight[:, 1] = 0

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(images)))
        return self.head(F.relu(x + self.second(F.relu(self.first(x)))).mean((2, 3)))


@pytest.fixture
def subject() -> CompressionSubject:
    """The network with labels that it predicts itself."""
    torch.manual_seed(0)
    network, inputs = Residual().eval(), torch.randn(32, 2, 6, 6)
    data = CalibrationData(inputs, network(inputs).argmax(1).detach(), batch=16)
    traced = trace(network, [inputs[:2]])
    return CompressionSubject.uniform_choices(traced, [LayerPolicy()], data, task=TASKS["classification"])
