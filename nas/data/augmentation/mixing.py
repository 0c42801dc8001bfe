"""Augmentations that mix the images of a batch in pairs, and their labels in the same shares: mixup and CutMix.

The share is one of the whole batch, as published. Of several that mix, a batch gets the first whose turn it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from nas.data.augmentation.augmentation import Augmentation, ImageBatch, check_range, check_share
from nas.tasks.task import Mixture, Task

# of a Beta distribution: with less, whole images are all that is drawn; with more, halves are
_LEAST_ALPHA, _MOST_ALPHA = 0.01, 100.0


@dataclass(frozen=True)
class Mixup(Augmentation):
    """Images are weighted means of two (Zhang et al., ICLR 2018).

    Attributes:
        alpha: The weight is drawn from Beta(alpha, alpha).
        share: Share of the batches that are mixed.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    name: ClassVar[str] = "mixup"
    mixes: ClassVar[bool] = True

    alpha: float = 0.2
    share: float = 1.0

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, _LEAST_ALPHA, _MOST_ALPHA)
        check_share("share", self.share)

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        if not _is_its_turn(batch, self.share, generator):
            return batch
        weight, others = _draw_weight(self.alpha, generator), _draw_others(batch, generator)
        mixed = batch.pixels[others].float().lerp_(batch.pixels.float(), weight).round_().to(torch.uint8)
        return ImageBatch(mixed, batch.labels, Mixture(batch.labels[others], weight))


@dataclass(frozen=True)
class CutMix(Augmentation):
    """A box of every image is that of another one, and the labels count by area (Yun et al., ICCV 2019).

    Attributes:
        alpha: The share of the image that is kept is drawn from Beta(alpha, alpha), before boxes are cut at the edges.
        share: Share of the batches that are mixed.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    name: ClassVar[str] = "cutmix"
    mixes: ClassVar[bool] = True

    alpha: float = 1.0
    share: float = 1.0

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, _LEAST_ALPHA, _MOST_ALPHA)
        check_share("share", self.share)

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        if not _is_its_turn(batch, self.share, generator):
            return batch
        height, width = batch.pixels.shape[2:]
        side_share = math.sqrt(1 - _draw_weight(self.alpha, generator))
        others = _draw_others(batch, generator)
        down, across = torch.rand(2, generator=generator).tolist()
        top, bottom = _cut(down, side_share, height)
        left, right = _cut(across, side_share, width)
        pixels = batch.pixels.clone()
        pixels[:, :, top:bottom, left:right] = batch.pixels[others, :, top:bottom, left:right]
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        return ImageBatch(pixels, batch.labels, Mixture(batch.labels[others], weight))

    def check(self, channels: int, task: Task) -> None:
        """Checks that labels can count by area.

        Raises:
            ValueError: If they are numbers.
        """
        super().check(channels, task)
        if task.name == "regression":
            raise ValueError(
                "augmentation cutmix is for labels that count by the area of their image, which numbers of task "
                "regression do not; take mixup"
            )


def _is_its_turn(batch: ImageBatch, share: float, generator: torch.Generator) -> bool:
    drawn = float(torch.rand((), generator=generator))
    return batch.mixture is None and drawn < share


def _draw_weight(alpha: float, generator: torch.Generator) -> float:
    """The weight of the own image; torch draws from no Beta distribution by a generator, but NumPy does."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def _draw_others(batch: ImageBatch, generator: torch.Generator) -> torch.Tensor:
    """The row of the image that is mixed into each, int64, shape (batch,)."""
    return torch.randperm(len(batch.pixels), generator=generator).to(batch.pixels.device)


def _cut(centre: float, share: float, length: int) -> tuple[int, int]:
    """First and last row or column of a box around a centre, as far as it is within the image."""
    middle, half = int(centre * length), int(share * length) // 2
    return max(0, middle - half), min(length, middle + half)
