"""Images are shifted as ever, mirrored, and cut out at the size of the step."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.data.augmentation.augmentation import ImageBatch
from nas.data.augmentation.geometry import Flip, RandomResizedCrop, Shift

RAMP = torch.arange(1, 9, dtype=torch.uint8).expand(500, 1, 8, 8)  # rising from left to right, nowhere zero


def shift_and_flip(images: Tensor, flip: bool) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    batch = Shift().apply(ImageBatch(images, torch.zeros(len(images))), 8, generator)
    return (Flip().apply(batch, 8, generator) if flip else batch).pixels


@pytest.mark.parametrize("flip", [False, True])
def test_shifts_with_zeros_and_mirrors_only_if_asked(flip: bool) -> None:
    shifted = shift_and_flip(RAMP, flip)
    rows = {tuple(image[0, 4].tolist()) for image in shifted}
    straight = {(0, 1, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 8), (2, 3, 4, 5, 6, 7, 8, 0)}
    assert rows == (straight | {row[::-1] for row in straight} if flip else straight)
    assert {int(image[0, 0].any()) for image in shifted} == {0, 1}  # some moved down


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("side", [6, 8, 20])
def test_the_default_draws_what_it_always_drew(side: int, flip: bool) -> None:
    """A training of an earlier version goes on with the same images: of each, a window of the padded image."""
    images = torch.randint(0, 256, (30, 3, side, side), dtype=torch.uint8)
    generator, pad = torch.Generator().manual_seed(0), max(1, side // 8)
    top, left = torch.randint(0, 2 * pad + 1, (2, 30, 1, 1), generator=generator)
    mirrored = (torch.rand(30, 1, 1, generator=generator) < 0.5) & flip
    padded, found = F.pad(images, (pad, pad, pad, pad)), shift_and_flip(images, flip)
    for number, image in enumerate(padded):
        row, column = int(top[number]), int(left[number])
        window = image[:, row : row + side, column : column + side]
        assert torch.equal(found[number], window.flip(-1) if bool(mirrored[number]) else window)


def test_a_crop_is_a_part_of_its_image_at_the_size_of_the_step() -> None:
    images = torch.stack([torch.full((3, 40, 40), value, dtype=torch.uint8) for value in (0, 90, 255)])
    images[:, 0] = torch.arange(0, 160, 4, dtype=torch.uint8)  # red rises from left to right, 4 a pixel
    batch = ImageBatch(images, torch.arange(3))
    for side in (8, 64):
        crops = RandomResizedCrop(0.25, 0.25, 1.0).apply(batch, side, torch.Generator().manual_seed(0)).pixels
        assert crops.shape == (3, 3, side, side)
        assert [int(crop[1].float().mean()) for crop in crops] == [0, 90, 255]  # of its own image
        rises = crops[:, 0, :, -1].float().mean(1) - crops[:, 0, :, 0].float().mean(1)
        assert bool(((rises > 60) & (rises < 80)).all())  # half of the image: 20 pixels of 4 each
