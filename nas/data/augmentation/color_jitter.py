"""Random changes of brightness, contrast, saturation and hue, as one matrix for each image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from nas.data.augmentation.augmentation import Augmentation, ImageBatch, check_range

# From RGB to luma and two axes of colour (NTSC). Grey has no colour: the rows of these sum to 0.
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclass(frozen=True)
class ColorJitter(Augmentation):
    """Changes brightness, contrast, saturation and hue of every image, in this order.

    Grey images have neither saturation nor hue, and keep none. Hue is turned, and saturation stretched, around the grey
    axis at equal luma, so that all four are one linear map.

    Attributes:
        brightness: Pixels are multiplied with a factor from 1 - brightness to 1 + brightness.
        contrast: Their distance from the mean luma of the image is, likewise.
        saturation: Their distance from grey is, likewise.
        hue: The largest turn of the hue, as a share of the full circle.

    Raises:
        ValueError: If an option lies outside of its range, or all are 0.
    """

    name: ClassVar[str] = "color_jitter"
    changes_colors: ClassVar[bool] = True

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1

    def __post_init__(self) -> None:
        for option in ("brightness", "contrast", "saturation"):
            check_range(option, getattr(self, option), 0, 1)  # factors are not negative
        check_range("hue", self.hue, 0, 0.5)  # half a circle either way is all of it
        if not max(self.brightness, self.contrast, self.saturation, self.hue) > 0:
            raise ValueError("brightness, contrast, saturation or hue must be above 0, or nothing changes")

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        images = batch.pixels
        spread = torch.tensor([[self.brightness], [self.contrast], [self.saturation], [2 * math.pi * self.hue]])
        drawn = spread * (2 * torch.rand(4, len(images), generator=generator) - 1)
        (brightness, contrast, saturation), turn = 1 + drawn[:3], drawn[3]
        colors = _turn_colors(saturation, turn) if images.shape[1] == 3 else torch.ones(len(images), 1, 1)
        luma = _YIQ[0] if images.shape[1] == 3 else torch.ones(1)
        pixels = images.float().flatten(2)
        grey = pixels.mean(2) @ luma.to(images.device)
        matrix = ((brightness * contrast).view(-1, 1, 1) * colors).to(images.device)
        offset = (brightness * (1 - contrast)).to(images.device) * grey
        changed = torch.baddbmm(offset.view(-1, 1, 1), matrix, pixels)
        return replace(batch, pixels=changed.clamp_(0, 255).round_().to(torch.uint8).view(images.shape))


def _turn_colors(saturation: Tensor, turn: Tensor) -> Tensor:
    """The matrices that stretch saturation and turn hue of RGB pixels, shape (n, 3, 3).

    Args:
        saturation: Factor of the distance from grey, shape (n,).
        turn: Angle, shape (n,).
    """
    along, across = saturation * turn.cos(), saturation * turn.sin()
    turned = torch.zeros(len(turn), 3, 3)
    turned[:, 0, 0] = 1
    turned[:, 1, 1], turned[:, 1, 2] = along, -across
    turned[:, 2, 1], turned[:, 2, 2] = across, along
    return torch.linalg.inv(_YIQ) @ turned @ _YIQ
