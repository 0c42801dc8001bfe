"""RandAugment (Cubuk et al., NeurIPS 2020), by the operations of Pillow, as published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from nas.data.augmentation.augmentation import Augmentation, ImageBatch, check_range
from search_spaces.quoting import quote

_MOST_MAGNITUDE = 30  # the end of the published scale
_MOST_OPERATIONS = 14  # as many as there are; published are up to three
_GREY = 128  # what is moved in at the edges

# An operation changes an image by a strength from -1 to 1; those without a direction take its size.
Operation = Callable[[Image.Image, float], Image.Image]


@dataclass(frozen=True)
class RandAugment(Augmentation):
    """Applies random operations to every image, each at the same strength.

    Attributes:
        operations: Number of operations that each image gets, drawn with replacement from fourteen.
        magnitude: Their strength, up to 30; the sign is random where there is one.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    name: ClassVar[str] = "rand_augment"
    changes_colors: ClassVar[bool] = True

    operations: int = 2
    magnitude: float = 9.0

    def __post_init__(self) -> None:
        check_range("operations", self.operations, 1, _MOST_OPERATIONS)
        if not 0 < self.magnitude <= _MOST_MAGNITUDE:
            raise ValueError(f"magnitude must be above 0 and at most {_MOST_MAGNITUDE}, got {quote(self.magnitude)}")

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        shape = (len(batch.pixels), self.operations)
        chosen = torch.randint(0, len(_OPERATIONS), shape, generator=generator).tolist()
        signs = (2 * torch.randint(0, 2, shape, generator=generator) - 1).tolist()
        arrays = batch.pixels.permute(0, 2, 3, 1).cpu().numpy()
        strength = self.magnitude / _MOST_MAGNITUDE
        changed = [
            _change(array, [(_OPERATIONS[one], strength * sign) for one, sign in zip(numbers, own, strict=True)])
            for array, numbers, own in zip(arrays, chosen, signs, strict=True)
        ]
        pixels = torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2)
        return replace(batch, pixels=pixels.to(batch.pixels.device))


def _change(array: NDArray[np.uint8], operations: list[tuple[Operation, float]]) -> NDArray[np.uint8]:
    """Applies operations to an image of shape (height, width, channels)."""
    image = Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array))
    for operation, strength in operations:
        image = operation(image, strength)
    return np.asarray(image, np.uint8).reshape(array.shape)


def _move(image: Image.Image, matrix: tuple[float, float, float, float, float, float]) -> Image.Image:
    fill = _GREY if image.mode == "L" else (_GREY,) * 3
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill)


def _rotate(image: Image.Image, strength: float) -> Image.Image:
    fill = _GREY if image.mode == "L" else (_GREY,) * 3
    return image.rotate(30 * strength, Image.Resampling.BILINEAR, fillcolor=fill)


_SHEAR = 0.3  # of a side, per side
_TRANSLATION = 150 / 331  # of a side: 150 pixels of the images of 331 that were published
_ENHANCEMENT = 0.9  # above and below 1, which is the image as it is

_OPERATIONS: tuple[Operation, ...] = (
    lambda image, _: image,
    lambda image, _: ImageOps.autocontrast(image),
    lambda image, _: ImageOps.equalize(image),
    _rotate,
    lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    lambda image, strength: ImageEnhance.Color(image).enhance(1 + _ENHANCEMENT * strength),
    lambda image, strength: ImageEnhance.Contrast(image).enhance(1 + _ENHANCEMENT * strength),
    lambda image, strength: ImageEnhance.Brightness(image).enhance(1 + _ENHANCEMENT * strength),
    lambda image, strength: ImageEnhance.Sharpness(image).enhance(1 + _ENHANCEMENT * strength),
    lambda image, strength: _move(image, (1, _SHEAR * strength, 0, 0, 1, 0)),
    lambda image, strength: _move(image, (1, 0, 0, _SHEAR * strength, 1, 0)),
    lambda image, strength: _move(image, (1, 0, _TRANSLATION * strength * image.width, 0, 1, 0)),
    lambda image, strength: _move(image, (1, 0, 0, 0, 1, _TRANSLATION * strength * image.height)),
)
