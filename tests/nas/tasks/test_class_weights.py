"""Weights of classes are one for each class, or say which class they are of."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from nas.tasks.class_weights import resolve_class_weights
from nas.tasks.classification import CLASSIFICATION

NAMES = ("cat", "dog", "eel")


def test_weights_are_stated_in_three_ways() -> None:
    assert resolve_class_weights("balanced", NAMES, [3.0, 2.0, 1.0]) == (3.0, 2.0, 1.0)
    assert resolve_class_weights((1, 2, 3.5), NAMES, []) == (1.0, 2.0, 3.5)
    assert resolve_class_weights((("eel", 4.0),), NAMES, []) == (1.0, 1.0, 4.0)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ((1.0, 2.0), "one for each of the 3 classes, got 2"),
        ((("elk", 2.0),), "got 'elk'; they are: cat, dog, eel"),
        ((1.0, 0.0, 1.0), "above 0 and finite, got 0 of class 'dog'"),
        ((("cat", math.nan),), "got nan of class 'cat'"),
    ],
)
def test_what_are_no_weights_of_the_classes_is_refused(stated: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_class_weights(stated, NAMES, [])


def test_balanced_classes_count_alike_in_the_loss() -> None:
    labels, outputs = torch.tensor([0, 0, 0, 1]), torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    weighted = CLASSIFICATION.weigh("balanced", labels, ("a", "b")).compute_loss(outputs, labels)
    of_each = [CLASSIFICATION.compute_loss(outputs[labels == one], labels[labels == one]) for one in (0, 1)]
    assert weighted.item() == pytest.approx(torch.stack(of_each).mean().item())
