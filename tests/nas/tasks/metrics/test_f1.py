"""F1 is that of scikit-learn, for classes and for labels."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import f1_score

from nas.tasks.metrics.f1 import MacroF1, MicroF1

OUTPUTS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))


def test_the_mean_of_classes_that_are_there() -> None:
    labels = torch.arange(50) % 3
    assert MacroF1().value(OUTPUTS, labels) == pytest.approx(
        100 * f1_score(labels, OUTPUTS.argmax(1), average="macro"), rel=1e-12
    )


def test_labels_alone_and_together() -> None:
    labels = (torch.rand(50, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    for metric, average in ((MacroF1(), "macro"), (MicroF1(), "micro")):
        expected = 100 * f1_score(labels, OUTPUTS > 0, average=average)
        assert metric.value(OUTPUTS, labels) == pytest.approx(expected, rel=1e-12)
    nothing = torch.zeros(50, 4)
    assert MicroF1().value(nothing - 1, nothing) == MacroF1().value(nothing - 1, nothing) == 100.0
