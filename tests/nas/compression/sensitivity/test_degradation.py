"""What comparisons of outputs give, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.degradation import Degradation, Divergence, LossRise, SquaredError
from nas.compression.subject import CompressionSubject
from nas.tasks.registry import TASKS


def test_values_are_those_of_the_definitions(residual: CompressionSubject) -> None:
    ours, theirs, labels = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([2])
    found = [one.prepare(residual)(ours, theirs, labels) for one in (SquaredError(), Divergence(), LossRise())]
    p, q = theirs.double().softmax(-1), ours.double().softmax(-1)
    rise = F.cross_entropy(ours, labels) - F.cross_entropy(theirs, labels)
    assert found == pytest.approx([1 / 3, float((p * (p / q).log()).sum()), float(rise)], rel=1e-6)
    assert LossRise().prepare(residual)(theirs, ours, labels) == pytest.approx(-float(rise), rel=1e-6)


@pytest.mark.parametrize(
    ("degradation", "lacking", "rule"),
    [
        (SquaredError(), {"data": None}, "needs calibration data"),
        (Divergence(), {"data": None}, "needs calibration data"),
        (Divergence(), {"task": TASKS["regression"]}, "whose outputs are logits"),
        (Divergence(), {"task": None}, "whose outputs are logits"),
        (LossRise(), {"task": None}, "needs labels and a task"),
        (LossRise(), {"data": CalibrationData(torch.zeros(1, 2, 5, 5))}, "needs labels and a task"),
    ],
)
def test_what_is_lacking_is_said(
    residual: CompressionSubject, degradation: Degradation, lacking: dict[str, object], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        degradation.prepare(replace(residual, **lacking))  # type: ignore[arg-type]
