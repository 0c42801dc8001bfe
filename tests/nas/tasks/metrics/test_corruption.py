"""Corruptions are the same whenever they are asked for, and stronger at a higher severity."""

from __future__ import annotations

import pytest
import torch

from nas.tasks.metrics.corruption import CORRUPTIONS, Corruption

IMAGES = torch.randint(256, (20, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_corruption_is_a_function_of_the_batch(name: str) -> None:
    found = Corruption(name, 3).apply(IMAGES, 1)
    assert found.shape == IMAGES.shape
    assert 0 <= found.min() <= found.max() <= 255
    assert torch.equal(found, Corruption(name, 3).apply(IMAGES, 1))
    away = [float((Corruption(name, severity).apply(IMAGES, 1) - IMAGES).abs().mean()) for severity in range(1, 6)]
    assert away == sorted(away)
    assert 0 < away[0] < away[-1]


@pytest.mark.parametrize(("name", "severity", "message"), [("snow", 1, "unknown corruption"), ("contrast", 6, "got 6")])
def test_what_is_no_corruption_is_refused(name: str, severity: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Corruption(name, severity)
