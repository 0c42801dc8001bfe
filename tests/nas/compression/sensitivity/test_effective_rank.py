"""Effective ranks that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.effective_rank import EffectiveRank, compute_effective_rank
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


@pytest.mark.parametrize(
    ("matrix", "rank"),
    [
        (torch.eye(6), 6.0),
        (torch.full((6, 6), 1 / 6), 1.0),
        (torch.block_diag(*[torch.full((3, 3), 1 / 3)] * 4), 4.0),
        (torch.zeros(3, 3), 0.0),
    ],
    ids=["identity", "uniform", "four uniform blocks", "zeros"],
)
def test_published_cases(matrix: Tensor, rank: float) -> None:
    singular = torch.linalg.svdvals(matrix.double())
    assert float(compute_effective_rank(singular)) == pytest.approx(rank, rel=1e-5)
    assert compute_effective_rank(singular.expand(2, 5, -1)).shape == (2, 5)


def test_layers_with_copied_channels_matter_less() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 4, 1, bias=False), nn.Conv2d(4, 6, 1, bias=False)).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])[:, :, None, None])
        module[1].weight.copy_(torch.eye(6)[:, :4, None, None])
    data = CalibrationData(torch.randn(50, 2, 8, 8), batch=20)
    subject = CompressionSubject.uniform_choices(
        trace(module, [torch.zeros(2, 2, 8, 8)]), [LayerPolicy.quantized(4)], data
    )
    np.testing.assert_allclose(EffectiveRank().score(subject), [2 / 4, 2 / 6], rtol=0.01)
    first, second = EffectiveRank().damage(subject)
    assert first[0] / 8 > second[0] / 24  # for each weight
