"""Augmentations that mix the images of a batch in pairs, and their labels in the same shares: mixup and CutMix.

The share is one of the whole batch, as published. Of several that mix, a batch gets the first whose turn it is.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from nas.data.augmentation.augmentation import Augmentation, ImageBatch, check_range, check_share
from nas.tasks.task import Mixture, Task

# of a Beta distribution: with less, whole images are all that is drawn; with more, halves are
_LEAST_ALPHA, _MOST_ALPHA = 0.01, 100.0


@dataclass(frozen=True)
class _PairMixing(Augmentation):
    """Mixes every image of a batch with another one of it.

    Attributes:
        alpha: The weight of the own image is drawn from Beta(alpha, alpha).
        share: Share of the batches that are mixed.

    Raises:
        ValueError: If an option lies outside of its range.
    """

    mixes: ClassVar[bool] = True

    alpha: float = 1.0
    share: float = 1.0

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, _LEAST_ALPHA, _MOST_ALPHA)
        check_share("share", self.share)

    def apply(self, batch: ImageBatch, side: int, generator: torch.Generator) -> ImageBatch:  # noqa: ARG002
        if not _is_its_turn(batch, self.share, generator):
            return batch
        weight, others = _draw_weight(self.alpha, generator), _draw_others(batch, generator)
        pixels, weight = self._mix(batch.pixels, batch.pixels[others], weight, generator)
        return ImageBatch(pixels, batch.labels, Mixture(batch.labels[others], weight))

    @abstractmethod
    def _mix(
        self, own: torch.Tensor, others: torch.Tensor, weight: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, float]:
        """The mixed images, and the weight of the own labels.

        Args:
            own: Images, uint8, shape (batch, channels, height, width), which are not written to.
            others: The image that is mixed into each, of the same shape.
            weight: The weight of the own image that was drawn, from 0 to 1.
            generator: Draws what else is random.
        """


@dataclass(frozen=True)
class Mixup(_PairMixing):
    """Images are weighted means of two (Zhang et al., ICLR 2018); options as of `_PairMixing`."""

    name: ClassVar[str] = "mixup"

    alpha: float = 0.2

    def _mix(
        self,
        own: torch.Tensor,
        others: torch.Tensor,
        weight: float,
        generator: torch.Generator,  # noqa: ARG002
    ) -> tuple[torch.Tensor, float]:
        return others.float().lerp_(own.float(), weight).round_().to(torch.uint8), weight


@dataclass(frozen=True)
class CutMix(_PairMixing):
    """A box of every image is that of another one, and the labels count by area (Yun et al., ICCV 2019).

    Options as of `_PairMixing`: the weight that is drawn is the share of the image that is kept, before boxes are cut
    at the edges.
    """

    name: ClassVar[str] = "cutmix"

    def _mix(
        self, own: torch.Tensor, others: torch.Tensor, weight: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, float]:
        height, width = own.shape[2:]
        side_share = math.sqrt(1 - weight)
        down, across = torch.rand(2, generator=generator).tolist()
        top, bottom = _cut(down, side_share, height)
        left, right = _cut(across, side_share, width)
        pixels = own.clone()
        pixels[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
        return pixels, 1 - (bottom - top) * (right - left) / (height * width)

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
