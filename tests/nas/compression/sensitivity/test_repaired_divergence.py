"""What repair puts right is no damage."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.repair import output_distance
from nas.compression.rounding.round_to_nearest import RoundToNearest
from nas.compression.sensitivity.repaired_divergence import RepairedDivergence
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.tasks.regression import Regression
from search_spaces.compression_policy import LayerPolicy


@pytest.fixture
def subject() -> CompressionSubject:
    torch.manual_seed(0)
    traced = trace(nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4)).eval(), [torch.zeros(1, 12)])
    inputs = torch.randn(300, 4) @ torch.randn(4, 12)  # of few directions, along which errors make up for one another
    return CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(2, 32)], CalibrationData(inputs))


def test_less_is_left_than_after_rounding_to_nearest(subject: CompressionSubject) -> None:
    repaired = RepairedDivergence().damage(subject)
    nearest = RepairedDivergence(Recipe(RoundToNearest())).damage(subject)
    assert all(2 * ours[0] < theirs[0] for ours, theirs in zip(repaired, nearest, strict=True))


def test_it_needs_data(subject: CompressionSubject) -> None:
    with pytest.raises(ValueError, match="needs calibration data"):
        RepairedDivergence().damage(CompressionSubject(subject.traced, subject.choices))


def test_numbers_are_compared_as_numbers(subject: CompressionSubject) -> None:
    """A regression of one output has no probabilities, and a shift of all outputs is an error."""
    data = subject.need_data()
    for outputs, task in ((1, None), (4, Regression())):
        torch.manual_seed(0)
        traced = trace(nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, outputs)).eval(), [torch.zeros(1, 12)])
        numbers = CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(2, 32)], data, task=task)
        assert all(one[0] > 0 for one in RepairedDivergence().damage(numbers))
    shifted = torch.zeros(3, 4), torch.ones(3, 4)
    assert float(output_distance(*shifted, Regression())) == 1.0
    assert float(output_distance(*shifted, None)) == 0.0  # of logits, which a shift leaves alone
