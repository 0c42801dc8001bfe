"""The images of every step, a function of the seed and the step's number alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nas.data.images import ImageData, augment
from nas.training.distributed.team import Team
from nas.training.random_streams import Stream, torch_generator
from nas.training.settings import TrainingSettings


@dataclass(frozen=True)
class Batch:
    """What all subnets of a step see.

    Attributes:
        inputs: Shape (batch, channels, resolution, resolution).
        labels: Shape (batch,).
    """

    inputs: Tensor
    labels: Tensor


@dataclass(frozen=True)
class TrainingBatches:
    """Batches of the training images; a training that goes on at any step meets the very batches it would have met.

    Attributes:
        data: The images; only its training images are seen.
        settings: The size of a batch, over all processes of the team, whether images are mirrored, and how they lie in
            memory.
        seed: Of order and augmentation.
        team: This process takes its share of every batch; all shares are equally large.
        device: Where the batches go.
    """

    data: ImageData
    settings: TrainingSettings
    seed: int
    team: Team
    device: torch.device

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the training images; a remainder is left out of the epoch."""
        return len(self.data.train) // self.settings.batch_size

    def load(self, step: int, resolution: int) -> Batch:
        """The batch of a step.

        Args:
            step: Counted from the start of the training, from 0.
            resolution: Side of the inputs.
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
    """How images and weights of four dimensions lie in memory."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


@lru_cache(maxsize=2)  # an epoch has many steps; the next one begins before every process has left the last
def _shuffle(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch_generator(seed, Stream.ORDER, epoch))
