"""Labelled images in memory, and the normalised, resized tensors that networks read.

Independent of file formats and of networks.
"""

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
    """Images of one split.

    Attributes:
        images: Pixels 0 to 255, uint8, shape (n, channels, height, width).
        labels: Class numbers, int64, shape (n,).
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor | slice) -> ImageSet:
        """The images at row numbers, int64 of shape (k,), or of a slice of them."""
        return ImageSet(self.images[rows], self.labels[rows])

    def to(self, processor: str) -> ImageSet:
        """The same in the memory of a processor, `"cpu"` or `"cuda"`."""
        return ImageSet(self.images.to(processor), self.labels.to(processor))


@dataclass(frozen=True)
class ImageData:
    """A classification problem: weights see `train`, searches see `validation`, reports see `test`.

    Attributes:
        train: Images that weights are trained on, and batch norms and activation ranges calibrated.
        validation: Images that candidates are measured on while a search chooses among them.
        test: Images that nothing was chosen by, for what is reported in the end.
        classes: Number of classes.
        stated: The normalisation of the inputs, if it is not to be computed from the training images.
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    classes: int
    stated: Normalization | None = None

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return self.train.images.shape[1]

    def to(self, processor: str) -> ImageData:
        """The same in the memory of a processor, `"cpu"` or `"cuda"`."""
        train, validation, test = (part.to(processor) for part in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)

    def digest(self) -> str:
        """A hash of all images, labels and a stated normalisation; equal data give equal digests wherever they lie."""
        found = hashlib.sha256(f"{self.classes}{self.stated or ''}".encode())
        for part in (self.train, self.validation, self.test):
            for tensor in (part.images, part.labels):
                found.update(str(tuple(tensor.shape)).encode())
                found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()

    @cached_property
    def normalization(self) -> Normalization:
        """The one that is stated, or else by mean and standard deviation of each channel over the training images."""
        if self.stated is not None:
            return self.stated
        pixels = self.train.images.cpu().float() / 255
        return Normalization(tuple(pixels.mean((0, 2, 3)).tolist()), tuple(pixels.std((0, 2, 3)).tolist()))


@dataclass(frozen=True)
class Normalization:
    """Turns pixels into network inputs.

    Attributes:
        mean: Mean of each channel, on a scale of 0 to 1.
        std: Standard deviation of each channel, on the same scale.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def inputs(self, images: Tensor, resolution: int) -> Tensor:
        """Inputs of a network, float and channels last, shape (n, channels, resolution, resolution).

        Args:
            images: Pixels 0 to 255, uint8, shape (n, channels, height, width).
            resolution: Side in pixels to which they are resized.
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
            images: What is split into batches.
            resolution: Side in pixels of the inputs.
            batch_size: Images of each batch but the last, which may have fewer.

        Yields:
            Inputs, shape (batch, channels, resolution, resolution), and class numbers, shape (batch,).
        """
        for start in range(0, len(images), batch_size):
            part = images.take(slice(start, start + batch_size))
            yield self.inputs(part.images, resolution), part.labels


def augment(images: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Shifts every image by up to an eighth of its side and, if asked, mirrors half of them.

    Args:
        images: Shape (n, channels, height, width); what is shifted in is zeros.
        generator: Draws the shifts and which are mirrored, on the CPU.
        flip: Whether left and right may be exchanged, as they may not for digits.

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
