"""The images of every step, which depend on the seed, the index of the step and the worker alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nas.data.augmentation import augment
from nas.data.splits import DataSplits
from nas.training.distributed.team import Team
from nas.training.random_streams import Stream, torch_generator
from nas.training.settings import TrainingSettings


@dataclass(frozen=True)
class Batch:
    """The images and labels that all subnets of a step read.

    Attributes:
        inputs: Normalised images, shape (batch, channels, resolution, resolution).
        labels: Class indices, shape (batch,).
    """

    inputs: Tensor
    labels: Tensor


@dataclass(frozen=True)
class TrainingBatches:
    """The batches of the training images; a batch depends on its step alone, so a resumed training reads the same.

    Attributes:
        data: The images, of which the training images are read.
        settings: Settings of the training; the batch size, mirroring and the memory format are read.
        seed: Seed of the order and the augmentation of the images.
        team: The processes that share every batch equally; this one loads its own share.
        device: The torch device that batches are moved to.
    """

    data: DataSplits
    settings: TrainingSettings
    seed: int
    team: Team
    device: torch.device

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in the training images; the remainder is left out of the epoch."""
        return len(self.data.train) // self.settings.batch_size

    def load(self, step: int, resolution: int) -> Batch:
        """The batch of a step.

        Args:
            step: Index of the step in the whole training.
            resolution: Height and width of the inputs, in pixels.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.settings.batch_size
        rows = _shuffle(self.seed, epoch, len(self.data.train))[start : start + self.settings.batch_size]
        images = self.data.train.take(rows[self.team.rank :: self.team.size])
        generator = torch_generator(self.seed, Stream.AUGMENTATION, step, self.team.rank)
        pixels = augment(images.images.to(self.device), generator, self.settings.flip)
        inputs = self.data.normalization.inputs(pixels, resolution)
        memory_format = get_memory_format(self.settings)
        return Batch(inputs.contiguous(memory_format=memory_format), images.labels.to(self.device))


def get_memory_format(settings: TrainingSettings) -> torch.memory_format:
    """The memory format of images and of weights with four axes."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


@lru_cache(maxsize=2)  # an epoch has many steps; the next one begins before every process has left the last
def _shuffle(seed: int, epoch: int, count: int) -> Tensor:
    """The order of the training images in an epoch: row indices, shape (count,)."""
    return torch.randperm(count, generator=torch_generator(seed, Stream.ORDER, epoch))
