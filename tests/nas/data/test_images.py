"""From bytes of pixels to what networks read."""

from __future__ import annotations

import pytest
import torch

from nas.data.images import ImageData, ImageSet, Normalization, augment

PIXELS = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES = ImageSet(PIXELS, torch.arange(40))


def test_normalised_training_images_have_mean_zero_and_deviation_one() -> None:
    inputs = ImageData(IMAGES, IMAGES, IMAGES, 40).normalization.inputs(PIXELS, 8)
    assert inputs.mean((0, 2, 3)).tolist() == pytest.approx([0.0] * 3, abs=1e-5)
    assert inputs.std((0, 2, 3)).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_equal_data_have_equal_digests() -> None:
    data = ImageData(IMAGES, IMAGES, IMAGES, 40)
    assert data.digest == ImageData(IMAGES.take(slice(None)), IMAGES, IMAGES, 40).digest
    others = [
        ImageData(IMAGES.take(slice(0, 39)), IMAGES, IMAGES, 40),
        ImageData(IMAGES, IMAGES, ImageSet(PIXELS, IMAGES.labels.flip(0)), 40),
        ImageData(IMAGES, ImageSet(255 - PIXELS, IMAGES.labels), IMAGES, 40),
        ImageData(IMAGES, IMAGES, IMAGES, 41),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5


def test_resizing_keeps_a_plain_colour() -> None:
    plain = torch.full((1, 1, 8, 8), 51, dtype=torch.uint8)
    for side in (5, 8, 16):
        inputs = Normalization((0.1,), (0.2,)).inputs(plain, side)
        torch.testing.assert_close(inputs, torch.full((1, 1, side, side), 0.5))


def test_consecutive_batches_hold_every_image_once() -> None:
    batches = list(Normalization((0.0,) * 3, (1.0,) * 3).batches(IMAGES, 8, 16))
    assert [len(labels) for _, labels in batches] == [16, 16, 8]
    assert torch.equal(torch.cat([labels for _, labels in batches]), IMAGES.labels)
    torch.testing.assert_close(torch.cat([inputs for inputs, _ in batches]), PIXELS / 255)


@pytest.mark.parametrize("flip", [False, True])
def test_augmentation_shifts_with_zeros_and_mirrors_only_if_asked(flip: bool) -> None:
    ramp = torch.arange(1, 9, dtype=torch.uint8).expand(500, 1, 8, 8)  # rising from left to right, nowhere zero
    shifted = augment(ramp, torch.Generator().manual_seed(0), flip)
    assert shifted.shape == ramp.shape
    rows = {tuple(image[0, 4].tolist()) for image in shifted}
    straight = {(0, 1, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 8), (2, 3, 4, 5, 6, 7, 8, 0)}
    assert rows == (straight | {row[::-1] for row in straight} if flip else straight)
    assert {int(image[0, 0].any()) for image in shifted} == {0, 1}  # some moved down
