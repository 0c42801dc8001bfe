"""Every image gets operations of its own, the stronger the larger the magnitude."""

from __future__ import annotations

import torch

from nas.data.augmentation.augmentation import ImageBatch
from nas.data.augmentation.rand_augment import RandAugment

RAMP = torch.arange(40, 200, 10, dtype=torch.uint8).expand(3, 16, 16)


def change(augmentation: RandAugment, count: int = 300) -> torch.Tensor:
    batch = ImageBatch(RAMP.expand(count, -1, -1, -1), torch.zeros(count))
    return augmentation.apply(batch, 16, torch.Generator().manual_seed(0)).pixels


def test_images_of_a_batch_get_operations_of_their_own() -> None:
    changed = change(RandAugment(1, 9))
    kinds = changed.flatten(1).unique(dim=0)
    assert 15 <= len(kinds) <= 26  # twelve operations, most of them in two directions, and what leaves it as it is
    assert bool((kinds == RAMP.flatten()).all(1).any())
    assert len(change(RandAugment(2, 9)).flatten(1).unique(dim=0)) > 80


def test_more_magnitude_changes_more() -> None:
    distances = [
        float((change(RandAugment(1, magnitude)).float() - RAMP).abs().mean()) for magnitude in (3.0, 12.0, 30.0)
    ]
    assert distances == sorted(distances)
    assert distances[2] > 1.5 * distances[0]
