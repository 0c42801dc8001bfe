"""Errors of regression are those of scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn import metrics

from nas.tasks.metrics.errors import R2, MeanAbsoluteError, RootMeanSquaredError


def test_they_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randn(40, 2, generator=generator) * torch.tensor([1.0, 50.0]) + 7
    outputs = labels + torch.randn(40, 2, generator=generator)
    squared = metrics.mean_squared_error(labels.double(), outputs.double())
    assert MeanAbsoluteError().value(outputs, labels) == pytest.approx(
        metrics.mean_absolute_error(labels.double(), outputs.double()), rel=1e-12
    )
    assert RootMeanSquaredError().value(outputs, labels) == pytest.approx(squared**0.5, rel=1e-12)
    assert R2().value(outputs, labels) == pytest.approx(metrics.r2_score(labels.double(), outputs.double()), rel=1e-9)


def test_labels_without_spread_are_given_or_not() -> None:
    labels = torch.full((4, 1), 3.0)
    assert R2().value(labels, labels) == 1.0
    assert R2().value(labels + 1, labels) == 0.0
