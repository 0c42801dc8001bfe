"""All augmentations keep one contract: a function of batch, side and generator, in the range of pixels, of one kind."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor

from nas.data.augmentation.augmentation import Augmentation, ImageBatch, check_sequence
from nas.data.augmentation.geometry import Flip, RandomResizedCrop, Shift
from nas.data.augmentation.mixing import CutMix, Mixup
from nas.data.augmentation.registry import AUGMENTATIONS
from nas.options import create_from_options
from nas.tasks.classification import CLASSIFICATION

EVERY = pytest.mark.parametrize("name", list(AUGMENTATIONS))


def draw(channels: int = 3, count: int = 24) -> ImageBatch:
    """Images of full range, of 20 pixels."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count, channels, 20, 20), dtype=torch.uint8, generator=generator)
    return ImageBatch(pixels, torch.arange(count))


def apply(augmentation: Augmentation, batch: ImageBatch, seed: int = 0) -> ImageBatch:
    return augmentation.apply(batch, 16, torch.Generator().manual_seed(seed))


def differ(one: Tensor, other: Tensor) -> Tensor:
    """Whether the images of each row differ."""
    return (one != other).flatten(1).any(1)


@EVERY
@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_a_function_of_the_generator_and_stays_a_batch(name: str, channels: int) -> None:
    augmentation, batch = AUGMENTATIONS[name](), draw(channels)
    before = batch.pixels.clone()
    torch.manual_seed(5)
    first = apply(augmentation, batch)
    torch.manual_seed(6)  # the state of the process does not count
    again, other = apply(augmentation, batch), apply(augmentation, batch, seed=1)
    assert torch.equal(batch.pixels, before)  # a split reads the same images again
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels, other.pixels)
    side = 16 if name == "crop" else 20
    assert (first.pixels.dtype, first.pixels.shape) == (torch.uint8, (24, channels, side, side))
    assert torch.equal(first.labels, batch.labels)
    if first.mixture is not None and again.mixture is not None:
        assert augmentation.mixes
        assert torch.equal(first.mixture.other_labels.sort().values, batch.labels)
        assert 0 <= first.mixture.weight == again.mixture.weight <= 1
    assert (first.mixture is None) == (again.mixture is None) == (not augmentation.mixes)


@EVERY
@pytest.mark.parametrize("value", [0, 255])
def test_pixels_at_the_ends_of_their_range_do_not_wrap(name: str, value: int) -> None:
    """Of black and white images most stay black and white; no augmentation turns all of them round."""
    batch = ImageBatch(torch.full((200, 3, 20, 20), value, dtype=torch.uint8), torch.arange(200))
    changed = apply(AUGMENTATIONS[name](), batch).pixels.float()
    assert bool(((changed - value).abs().flatten(1).mean(1) <= 128).float().mean() > 0.7)


@EVERY
def test_images_of_other_channels_are_moved_or_refused(name: str) -> None:
    augmentation = AUGMENTATIONS[name]()
    if augmentation.changes_colors:
        with pytest.raises(ValueError, match=f"{name} is for images of 1 or 3 channels, grey or RGB, got 4; leave"):
            augmentation.check(4, CLASSIFICATION)
    else:
        augmentation.check(4, CLASSIFICATION)
        assert apply(augmentation, draw(4)).pixels.shape[:2] == (24, 4)


@EVERY
def test_options_have_defaults_and_bounds_that_nan_fails(name: str) -> None:
    kind = AUGMENTATIONS[name]
    assert (kind.name, kind()) == (name, kind())
    for option in fields(kind):
        for bad in [-1, 1e9] + [float("nan")] * (option.type == "float"):
            value: Any = int(bad) if option.type == "int" else bad
            with pytest.raises(ValueError, match=rf"^augmentation '{name}': {option.name} must (be|lie)"):
                create_from_options(kind, {option.name: value}, f"augmentation {name!r}")


def test_what_mixes_comes_last_and_nothing_twice() -> None:
    check_sequence((Shift(), Flip(), Mixup(), CutMix()))
    with pytest.raises(ValueError, match="must be listed once, got flip twice; leave one out"):
        check_sequence((Flip(), Shift(), Flip(0.1)))
    with pytest.raises(ValueError, match=r"mix images must come last, .*; got mixup, crop; put crop before them"):
        check_sequence((Mixup(), RandomResizedCrop()))
