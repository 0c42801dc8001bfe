"""The direction of outputs counts, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.macro_influence import CosineDistance
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy

TWO = LayerPolicy.quantized(2)


def test_scale_does_not_count_and_direction_does(residual: CompressionSubject) -> None:
    compare = CosineDistance().prepare(residual)
    outputs = torch.randn(4, 7, 3)
    assert compare(3.0 * outputs, outputs, None) == pytest.approx(0.0, abs=1e-12)
    assert compare(-outputs, outputs, None) == pytest.approx(2.0)
    assert compare(torch.zeros(1, 3), torch.zeros(1, 3), None) == 0.0
    quarter = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert compare(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), quarter, None) == pytest.approx(0.5)


def test_an_identity_and_a_dead_layer_do_no_harm() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in range(3))).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(4))
    subject = CompressionSubject.uniform_choices(
        trace(module, [torch.zeros(2, 4)]), [TWO], CalibrationData(torch.randn(6, 4))
    )
    damage = [float(known[0]) for known in MeasuredAlone(CosineDistance()).damage(subject)]
    assert damage[0] == 0.0
    assert min(damage[1:]) > 0.01
    subject.weights[1].zero_()
    assert [float(known[0]) for known in MeasuredAlone(CosineDistance()).damage(subject)] == [0.0, 0.0, 0.0]


def test_a_single_number_has_no_direction() -> None:
    traced = trace(nn.Linear(4, 1), [torch.zeros(2, 4)])
    subject = CompressionSubject.uniform_choices(traced, [TWO], CalibrationData(torch.randn(6, 4)))
    with pytest.raises(ValueError, match=r"needs two or more numbers in each, got \(1,\)"):
        MeasuredAlone(CosineDistance()).damage(subject)
