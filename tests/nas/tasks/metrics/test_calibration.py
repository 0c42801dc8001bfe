"""Confidence is compared with how often it is right."""

from __future__ import annotations

import pytest
import torch

from nas.tasks.metrics.calibration import ExpectedCalibrationError


def test_the_difference_of_each_bin_counts_its_samples() -> None:
    # 4 samples at confidence 0.9, of which 2 are right; 4 at 0.6, of which 3 are
    confidence = torch.tensor([0.9] * 4 + [0.6] * 4, dtype=torch.float64)
    outputs = torch.stack([confidence.log(), (1 - confidence).log()], 1)
    labels = torch.tensor([0, 0, 1, 1, 0, 0, 0, 1])
    assert ExpectedCalibrationError().value(outputs, labels) == pytest.approx(100 * (0.4 * 4 + 0.15 * 4) / 8)
