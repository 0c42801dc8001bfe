"""The images of every step, which depend on the seed, the index of the step and the worker alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nas.data.augmentation.augmentation import Augmentation, ImageBatch
from nas.data.augmentation.geometry import Flip, Shift
from nas.data.order import order_samples, share_rows
from nas.data.splits import DataSplits
from nas.data.storage.batch_loader import BatchLoader
from nas.tasks.task import Mixture
from nas.training.distributed.team import Team
from nas.training.random_streams import Stream, torch_generator
from nas.training.settings import TrainingSettings


@dataclass(frozen=True)
class Batch:
    """The images and labels that all subnets of a step read.

    Attributes:
        inputs: Normalised images, shape (batch, channels, resolution, resolution).
        labels: Labels as the task encodes them, such as class indices, shape (batch, ...).
        mixture: The labels of the samples that were mixed in; None if nothing was.
    """

    inputs: Tensor
    labels: Tensor
    mixture: Mixture | None = None


class TrainingBatches:
    """The batches of the training images; a batch depends on its step alone, so a resumed training reads the same.

    Args:
        data: The images, of which the training images are read.
        settings: Settings of the training; the batch size, augmentation and the memory format are read.
        seed: Seed of the order and the augmentation of the images.
        team: The processes that share every batch equally; this one loads its own share.
        device: The torch device that batches are moved to.
    """

    def __init__(
        self, data: DataSplits, settings: TrainingSettings, seed: int, team: Team, device: torch.device
    ) -> None:
        self._data, self._settings, self._seed, self._team, self._device = data, settings, seed, team, device
        self._augmentations = _choose_augmentations(data, settings)
        self._epochs = lru_cache(maxsize=2)(self._rows_of_epoch)  # a loader may be one epoch ahead
        self._loader = BatchLoader(data.train.inputs, self._rows_of, data.loaders)

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in the training images; the remainder is left out of the epoch."""
        return len(self._data.train) // self._settings.batch_size

    def load(self, step: int, resolution: int) -> Batch:
        """The batch of a step.

        Args:
            step: Index of the step in the whole training.
            resolution: Height and width of the inputs, in pixels.
        """
        images, labels = self.read(step), self._data.train.labels[self._rows_of(step)]
        batch = ImageBatch(images.to(self._device), labels.to(self._device))
        generator = torch_generator(self._seed, Stream.AUGMENTATION, step, self._team.rank)
        for augmentation in self._augmentations:
            batch = augmentation.apply(batch, resolution, generator)
        inputs = self._data.transform.inputs(batch.pixels, resolution)
        memory_format = get_memory_format(self._settings)
        return Batch(inputs.contiguous(memory_format=memory_format), batch.labels, batch.mixture)

    def read(self, step: int) -> Tensor:
        """The images of a step as they are before augmentation: uint8, shape (batch, channels, height, width)."""
        return self._loader.load(step)

    def _rows_of(self, step: int) -> Tensor:
        """The rows of the images of a step that this process reads, int64, shape (batch / processes,)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self._epochs(epoch)[position]

    def _rows_of_epoch(self, epoch: int) -> Tensor:
        inputs, team = self._data.train.inputs, self._team
        order = order_samples(inputs, torch_generator(self._seed, Stream.ORDER, epoch))
        return share_rows(inputs, order, self._settings.batch_size, team.rank, team.size)


def _choose_augmentations(data: DataSplits, settings: TrainingSettings) -> tuple[Augmentation, ...]:
    """Those that are given; else images are shifted, and mirrored if asked, and other inputs are left as they are."""
    if settings.augmentation is not None:
        return settings.augmentation
    if len(data.train.inputs.shape) != 3:
        return ()
    return (Shift(), Flip()) if settings.flip else (Shift(),)


def get_memory_format(settings: TrainingSettings) -> torch.memory_format:
    """The memory format of images and of weights with four axes."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format
