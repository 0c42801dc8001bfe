"""What a comparison of metrics says of networks that are additive, and of metrics that say nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.additivity import MetricQuality, compare_metrics
from nas.compression.sensitivity.degradation import SquaredError
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.sensitivity.weight_distortion import WeightDistortion
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


class Apart(nn.Module):
    """Layers whose outputs are returned side by side: damage adds up exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 2) for _ in range(4))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([layer(inputs) for layer in self.layers], 1)


def test_an_additive_network_has_r2_of_1() -> None:
    torch.manual_seed(0)
    policies = [LayerPolicy.parse(text) for text in ("w8a32", "w4a32", "w3a32", "w2a32", "w32a32-sparse0.5")]
    data = CalibrationData(torch.randn(8, 4))
    subject = CompressionSubject.uniform_choices(trace(Apart(), [torch.zeros(2, 4)]), policies, data)
    metrics = {"distortion": MeasuredAlone(SquaredError()), "weights": WeightDistortion()}
    report = compare_metrics(subject, metrics, SquaredError(), policies=12)
    exact, rough = report.metrics
    assert (exact.r2, exact.spearman, exact.kendall) == (pytest.approx(1.0), pytest.approx(1.0), pytest.approx(1.0))
    assert exact.is_additive
    assert 0 <= rough.r2 < 1
    assert str(report).splitlines()[1].startswith("distortion   1.00")
    alike = CompressionSubject.uniform_choices(subject.traced, policies[:1], data)
    assert compare_metrics(alike, metrics, SquaredError(), policies=3).metrics[0].r2 == 0.0
    with pytest.raises(ValueError, match="3 or more policies"):
        compare_metrics(subject, metrics, SquaredError(), policies=2)


@pytest.mark.parametrize(("r2", "additive"), [(0.7, True), (0.69, False), (float("nan"), False)])
def test_below_the_bound_sums_are_not_trusted(r2: float, additive: bool) -> None:
    assert MetricQuality("m", r2, 0.0, 0.0, 0.0).is_additive is additive
