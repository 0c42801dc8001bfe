"""Scores of layers that say what they do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.input_output_similarity import InputOutputSimilarity
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


class Chain(nn.Module):
    """A layer that passes its input on, one that turns its sign, and one that changes its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.same, self.turned = nn.Conv2d(3, 3, 1, bias=False), nn.Linear(4, 4, bias=False)
        self.head = nn.Linear(4, 2)
        with torch.no_grad():
            self.same.weight.copy_(torch.eye(3)[:, :, None, None])
            self.turned.weight.copy_(-torch.eye(4))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.turned(self.same(inputs)))


def test_an_identity_has_the_least_score_and_a_change_of_sign_the_largest() -> None:
    traced, data = trace(Chain(), [torch.zeros(2, 3, 4, 4)]), CalibrationData(torch.randn(5, 3, 4, 4), batch=2)
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(4)], data)
    np.testing.assert_allclose(InputOutputSimilarity().score(subject), [-1.0, 1.0, 1.0], atol=1e-6)
    damage = InputOutputSimilarity().damage(subject)
    assert [float(one[0]) / size / 28 for one, size in zip(damage, (9, 16, 8), strict=True)] == [1.0, 2.5, 2.5]
