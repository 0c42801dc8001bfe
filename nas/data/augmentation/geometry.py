"""Augmentations that move images: shifts, mirroring, and crops at random sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.data.augmentation.augmentation import Augmentation, ImageBatch, check_range, check_share
from nas.data.augmentation.boxes import MOST_ASPECT, draw_boxes
from search_spaces.quoting import quote


@dataclass(frozen=True)
class Shift(Augmentation):
    """Shifts every image along both axes; zeros are shifted in at the edges.

    Attributes:
        reach: The longest shift, as a share of the height; at least one pixel.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    name: ClassVar[str] = "shift"

    reach: float = 0.125

    def __post_init__(self) -> None:
        if not 0 < self.reach <= 0.5:  # beyond, most of an image is shifted out
            raise ValueError(f"reach must be above 0 and at most 0.5, got {quote(self.reach)}")

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        images = batch.pixels
        count, _, height, width = images.shape
        pad = max(1, int(height * self.reach))
        padded = F.pad(images, (pad, pad, pad, pad)).permute(0, 2, 3, 1)
        tops, lefts = torch.randint(0, 2 * pad + 1, (2, count), generator=generator).tolist()
        windows = [
            image[top : top + height, left : left + width] for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
        return replace(batch, pixels=torch.stack(windows).permute(0, 3, 1, 2))


@dataclass(frozen=True)
class Flip(Augmentation):
    """Mirrors images from left to right, which would spoil digits.

    Attributes:
        share: Share of the images that are mirrored.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    name: ClassVar[str] = "flip"

    share: float = 0.5

    def __post_init__(self) -> None:
        check_share("share", self.share)

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        images = batch.pixels
        mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < self.share
        return replace(batch, pixels=torch.where(mirrored.to(images.device), images.flip(-1), images))


@dataclass(frozen=True)
class RandomResizedCrop(Augmentation):
    """Cuts a random box out of every image, and resizes it to the inputs of the step.

    All images of a step have one resolution, that of its subnets, as in Cai et al., "Once for All", ICLR 2020. Source
    of the boxes: Szegedy et al., "Going deeper with convolutions", CVPR 2015.

    Attributes:
        smallest: The smallest area of a box, as a share of the image.
        largest: The largest.
        aspect: The largest ratio of its sides.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    name: ClassVar[str] = "crop"

    smallest: float = 0.08
    largest: float = 1.0
    aspect: float = 4 / 3

    def __post_init__(self) -> None:
        check_share("smallest", self.smallest)
        check_range("largest", self.largest, self.smallest, 1)
        check_range("aspect", self.aspect, 1, MOST_ASPECT)

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:
        images = batch.pixels
        size = (images.shape[2], images.shape[3])
        boxes = draw_boxes(len(images), size, (self.smallest, self.largest), self.aspect, generator)
        crops = [
            _resize(images[number : number + 1, :, top:bottom, left:right], side)
            for number, (top, bottom, left, right) in enumerate(boxes.tolist())
        ]
        return replace(batch, pixels=torch.cat(crops))


def _resize(images: Tensor, side: int) -> Tensor:
    """Images of another size, uint8, shape (n, channels, side, side)."""
    if images.device.type == "cpu":  # several times as fast as in floating point, which is all that others have
        return F.interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)
    resized = F.interpolate(images.float(), (side, side), mode="bilinear", align_corners=False, antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)
