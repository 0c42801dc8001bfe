"""Pair terms of networks that say what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.degradation import SquaredError
from nas.compression.sensitivity.pairs import HessianPairs, MeasuredPairs, PairMetric
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy

METRICS = [HessianPairs(), MeasuredPairs(SquaredError())]
FLOAT, TWO, THREE = LayerPolicy(), LayerPolicy.quantized(2), LayerPolicy.quantized(3)


class Two(nn.Module):
    """Two linear layers that are apart, added, or added, moved and rectified."""

    def __init__(self, joined: str) -> None:
        super().__init__()
        self.first, self.second, self.joined = nn.Linear(4, 1, bias=False), nn.Linear(4, 1, bias=False), joined

    def forward(self, inputs: Tensor) -> Tensor:
        one, other = self.first(inputs), self.second(inputs)
        if self.joined == "apart":
            return torch.cat([one, other], 1)
        return one + other if self.joined == "added" else (one + other + 0.2).relu()


def make_subject(joined: str) -> CompressionSubject:
    torch.manual_seed(0)
    traced = trace(Two(joined), [torch.zeros(2, 4)])
    return CompressionSubject.uniform_choices(traced, [FLOAT, TWO, THREE], CalibrationData(torch.randn(9, 4), batch=4))


@pytest.mark.parametrize("metric", METRICS, ids=["hessian", "measured"])
def test_additive_networks_have_none(metric: PairMetric) -> None:
    (term,) = metric.damage(make_subject("apart"))
    np.testing.assert_allclose(term.table, 0.0, atol=1e-7)


@pytest.mark.parametrize("metric", METRICS, ids=["hessian", "measured"])
def test_a_bilinear_coupling_is_met_exactly(metric: PairMetric) -> None:
    subject = make_subject("added")
    (term,) = metric.damage(subject)
    moved = [
        [
            (subject.need_data().inputs @ (round_weight(weight, bits) - weight).T).squeeze(1)
            if bits
            else torch.zeros(9)
            for bits in (0, 2, 3)
        ]
        for weight in subject.weights
    ]
    expected = [[2 * float((one * other).mean()) for other in moved[1]] for one in moved[0]]
    assert term.columns == (0, 1)
    np.testing.assert_allclose(term.table, expected, rtol=1e-3, atol=1e-6)
    assert np.abs(term.table[1, 1]) > 1e-3


def round_weight(weight: Tensor, bits: int) -> Tensor:
    step = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    return (weight / step).round() * step


def test_two_layers_that_are_harmless_alone_and_harmful_together_are_told() -> None:
    subject = make_subject("rectified")
    for weight in subject.weights:
        weight.copy_(torch.tensor([[1.0, 0.3, 0.0, 0.0]]))  # 2 bits round 0.3 to 0
    data = CalibrationData(torch.tensor([[0.0, -1.0, 0.0, 0.0]]))
    (term,) = MeasuredPairs(SquaredError()).damage(replace(subject, data=data))
    assert term.table[1, 1] == pytest.approx(0.2**2, rel=1e-4)  # alone each ends at -0.1, and both at 0.2


def test_activations_couple_layers_too(residual: CompressionSubject) -> None:
    terms = HessianPairs().damage(residual)
    assert [term.columns for term in terms] == [(0, 1), (0, 2), (1, 2)]
    assert all((term.table[0] == 0).all() and (term.table[:, 0] == 0).all() for term in terms)
    assert all(term.table[3, 3] != 0 for term in terms)  # w32a4 with w32a4


def test_measured_pairs_need_the_trained_layers_to_compare_with() -> None:
    subject = make_subject("added")
    with pytest.raises(ValueError, match="need the policy w32a32"):
        MeasuredPairs(SquaredError()).damage(replace(subject, choices=((TWO,), (FLOAT, TWO))))
