"""Random erasing: a box of an image becomes noise (Zhong et al., AAAI 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from nas.data.augmentation.augmentation import Augmentation, ImageBatch, check_range, check_share
from nas.data.augmentation.boxes import MOST_ASPECT, draw_boxes


@dataclass(frozen=True)
class RandomErasing(Augmentation):
    """Fills a random box of some images with random pixels.

    Attributes:
        share: Share of the images.
        smallest: The smallest area of a box, as a share of the image.
        largest: The largest.
        aspect: The largest ratio of its sides.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    name: ClassVar[str] = "erasing"

    share: float = 0.25
    smallest: float = 0.02
    largest: float = 1 / 3
    aspect: float = 10 / 3

    def __post_init__(self) -> None:
        check_share("share", self.share)
        check_share("smallest", self.smallest)
        check_range("largest", self.largest, self.smallest, 1)
        check_range("aspect", self.aspect, 1, MOST_ASPECT)

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        pixels = batch.pixels.clone()
        count, channels, height, width = pixels.shape
        chosen = torch.rand(count, generator=generator) < self.share
        boxes = draw_boxes(count, (height, width), (self.smallest, self.largest), self.aspect, generator)
        for number in chosen.nonzero().flatten().tolist():
            top, bottom, left, right = boxes[number].tolist()
            size = (channels, bottom - top, right - left)
            noise = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
            pixels[number, :, top:bottom, left:right] = noise.to(pixels.device)
        return replace(batch, pixels=pixels)
