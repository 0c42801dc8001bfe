"""Colours change as their names say; grey stays grey."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nas.data.augmentation.augmentation import ImageBatch
from nas.data.augmentation.color_jitter import ColorJitter

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
STILL = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
IMAGES = torch.randint(90, 140, (40, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def jitter(images: Tensor, **options: float) -> Tensor:
    batch = ImageBatch(images, torch.zeros(len(images)))
    return ColorJitter(**STILL | options).apply(batch, 6, torch.Generator().manual_seed(0)).pixels.float()


def test_brightness_is_a_factor() -> None:
    ratios = (jitter(IMAGES, brightness=0.5) / IMAGES).flatten(1)
    assert bool((ratios.std(1) < 0.01).all())  # one factor for all pixels of an image, up to rounding
    assert 0.5 <= float(ratios.mean(1).min()) < 0.6
    assert 1.4 < float(ratios.mean(1).max()) <= 1.5


def test_contrast_keeps_the_mean_luma() -> None:
    changed = jitter(IMAGES, contrast=0.9)
    assert torch.allclose((changed * LUMA).sum(1).mean((1, 2)), (IMAGES * LUMA).sum(1).mean((1, 2)), atol=1)
    spreads = changed.std((1, 2, 3)) / IMAGES.float().std((1, 2, 3))
    assert float(spreads.min()) < 0.3
    assert float(spreads.max()) > 1.5


@pytest.mark.parametrize("option", ["saturation", "hue"])
def test_saturation_and_hue_keep_luma_and_leave_grey_alone(option: str) -> None:
    changed = jitter(IMAGES, **{option: 0.5})
    assert torch.allclose((changed * LUMA).sum(1), (IMAGES * LUMA).sum(1), atol=1.5)
    assert float((changed - IMAGES).abs().mean()) > 1
    grey = IMAGES[:, :1].expand(-1, 3, -1, -1)
    assert torch.equal(jitter(grey, **{option: 0.5}), grey.float())


def test_half_a_turn_of_the_hue_gives_the_complement() -> None:
    red = torch.zeros(200, 3, 2, 2, dtype=torch.uint8)
    red[:] = torch.tensor([160, 110, 110], dtype=torch.uint8).view(3, 1, 1)
    changed = jitter(red, hue=0.5)[:, :, 0, 0]
    red_share = changed[:, 0] - changed[:, 1:].mean(1)
    assert float(red_share.max()) > 48  # hardly turned
    assert float(red_share.min()) < -48  # cyan


def test_nothing_to_change_is_refused() -> None:
    with pytest.raises(ValueError, match="brightness, contrast, saturation or hue must be above 0"):
        ColorJitter(**STILL)
