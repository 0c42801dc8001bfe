"""The class that is known least decides."""

from __future__ import annotations

import torch

from nas.tasks.metrics.worst_class_accuracy import WorstClassAccuracy


def test_the_lowest_recall_among_classes_that_are_there() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 3])  # no image is of class 2
    answers = torch.tensor([0, 0, 0, 2, 1, 0, 3])
    assert WorstClassAccuracy().value(torch.eye(4)[answers], labels) == 50.0
