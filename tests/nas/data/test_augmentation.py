"""Training images are shifted and mirrored."""

from __future__ import annotations

import pytest
import torch

from nas.data.augmentation import augment


@pytest.mark.parametrize("flip", [False, True])
def test_augmentation_shifts_with_zeros_and_mirrors_only_if_asked(flip: bool) -> None:
    ramp = torch.arange(1, 9, dtype=torch.uint8).expand(500, 1, 8, 8)  # rising from left to right, nowhere zero
    shifted = augment(ramp, torch.Generator().manual_seed(0), flip)
    assert shifted.shape == ramp.shape
    rows = {tuple(image[0, 4].tolist()) for image in shifted}
    straight = {(0, 1, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 8), (2, 3, 4, 5, 6, 7, 8, 0)}
    assert rows == (straight | {row[::-1] for row in straight} if flip else straight)
    assert {int(image[0, 0].any()) for image in shifted} == {0, 1}  # some moved down
