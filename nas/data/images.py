"""Labelled images in memory, and the normalised and resized tensors that networks read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Labelled images, such as those of the training split.

    Attributes:
        images: Pixels from 0 to 255, uint8, shape (n, channels, height, width).
        labels: Class indices, int64, shape (n,).
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor | slice) -> ImageSet:
        """The images at `rows`: row indices, int64 of shape (k,), or a slice."""
        return ImageSet(self.images[rows], self.labels[rows])

    def to(self, processor: str) -> ImageSet:
        """The same in the memory of a processor, `"cpu"` or `"cuda"`."""
        return ImageSet(self.images.to(processor), self.labels.to(processor))


@dataclass(frozen=True)
class ImageData:
    """The images of a classification problem, in three splits.

    Attributes:
        train: Images for training weights, recalibrating batch norms and calibrating activation ranges.
        validation: Images on which candidates are measured, while a search chooses among them.
        test: Images by which nothing is chosen, for the final reports.
        classes: Number of classes.
        stated: The normalisation that the user gave; None computes it from the training images.
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    classes: int
    stated: Normalization | None = None

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self.train.images.shape[1]

    def to(self, processor: str) -> ImageData:
        """The same in the memory of a processor, `"cpu"` or `"cuda"`."""
        train, validation, test = (part.to(processor) for part in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)

    @cached_property
    def digest(self) -> str:
        """A hash of all images and labels, the number of classes and a stated normalisation, as hexadecimal digits."""
        found = hashlib.sha256(f"{self.classes}{self.stated or ''}".encode())
        for part in (self.train, self.validation, self.test):
            for tensor in (part.images, part.labels):
                found.update(str(tuple(tensor.shape)).encode())
                found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()

    @cached_property
    def normalization(self) -> Normalization:
        """The stated normalisation, or the mean and standard deviation of each channel of the training images."""
        if self.stated is not None:
            return self.stated
        pixels = self.train.images.cpu().float() / 255
        return Normalization(tuple(pixels.mean((0, 2, 3)).tolist()), tuple(pixels.std((0, 2, 3)).tolist()))


@dataclass(frozen=True)
class Normalization:
    """The mean and the standard deviation by which pixels become network inputs.

    Attributes:
        mean: Mean of each channel, for pixels from 0 to 1.
        std: Standard deviation of each channel, for pixels from 0 to 1.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def inputs(self, images: Tensor, resolution: int) -> Tensor:
        """Inputs of a network, float32 and channels last, shape (n, channels, resolution, resolution).

        Args:
            images: Pixels from 0 to 255, uint8 or float, shape (n, channels, height, width).
            resolution: Height and width of the inputs, in pixels.
        """
        mean, std = (torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        pixels = (images.float() / 255 - mean) / std
        if pixels.shape[-2:] != (resolution, resolution):
            size = (resolution, resolution)
            pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        return pixels.contiguous(memory_format=torch.channels_last)

    def batches(self, images: ImageSet, resolution: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels of consecutive batches.

        Args:
            images: The images, in the order of the batches.
            resolution: Height and width of the inputs, in pixels.
            batch_size: Number of images of each batch; the last batch may have fewer.

        Yields:
            Inputs, shape (batch, channels, resolution, resolution), and class indices, shape (batch,).
        """
        for start in range(0, len(images), batch_size):
            part = images.take(slice(start, start + batch_size))
            yield self.inputs(part.images, resolution), part.labels


def augment(images: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Shifts every image by up to an eighth of its height along both axes, and mirrors half of them if `flip` is set.

    Args:
        images: Pixels, shape (n, channels, height, width); zeros are shifted in at the edges.
        generator: Draws the shifts and the images that are mirrored; on the CPU.
        flip: Whether images are mirrored from left to right, which would spoil digits.

    Returns:
        New images, shape (n, channels, height, width).
    """
    count, _, height, width = images.shape
    pad = max(1, height // 8)
    padded = F.pad(images, (pad, pad, pad, pad))
    top, left = torch.randint(0, 2 * pad + 1, (2, count, 1, 1), generator=generator)
    rows = top + torch.arange(height).view(1, -1, 1)
    columns = left + torch.arange(width).view(1, 1, -1)
    if flip:
        mirrored = torch.rand(count, 1, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, left + width - 1 - torch.arange(width).view(1, 1, -1), columns)
    rows, columns = rows.to(images.device), columns.to(images.device)  # drawn on the CPU, the same for all devices
    numbers = torch.arange(count, device=images.device).view(-1, 1, 1)
    return padded[numbers, :, rows, columns].permute(0, 3, 1, 2)
