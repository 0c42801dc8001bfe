"""Average precision is that of scikit-learn, ties included."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import average_precision_score

from nas.tasks.metrics.average_precision import MeanAveragePrecision


@pytest.mark.parametrize("levels", [1000, 3])
def test_it_is_that_of_scikit_learn(levels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randint(levels, (80, 5), generator=generator).float()
    labels = (torch.rand(80, 5, generator=generator) < 0.2).float()
    expected = 100 * average_precision_score(labels, outputs, average="macro")
    assert MeanAveragePrecision().value(outputs, labels) == pytest.approx(expected, rel=1e-12)


def test_labels_that_no_sample_has_are_left_out() -> None:
    outputs, labels = torch.randn(9, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(9, 2)
    labels[:4, 0] = 1
    assert MeanAveragePrecision().value(outputs, labels) == MeanAveragePrecision().value(outputs[:, :1], labels[:, :1])
