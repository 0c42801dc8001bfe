"""The images of every step, a function of the seed and the step's number alone.

In: training images. Out: augmented batches at any resolution. Knows no network and no schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nas.data.images import ImageData, augment
from nas.training.distributed.team import Team
from nas.training.random_streams import Stream, torch_generator
from nas.training.step.gradients import Batch


@dataclass(frozen=True)
class Feed:
    """Batches of the training images; a training that goes on at any step meets the very batches it would have met.

    Attributes:
        data: The images; only its training images are seen.
        batch_size: Images per step, over all members of the team; at most all, and as many for each member.
        seed: Of order and augmentation.
        flip: Whether images may be mirrored.
        team: This member takes its share of every batch.
        device: Where the batches go.
        memory_format: Of the inputs.
    """

    data: ImageData
    batch_size: int
    seed: int
    flip: bool
    team: Team
    device: torch.device
    memory_format: torch.memory_format

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the training images; a remainder is left out of the epoch."""
        return len(self.data.train) // self.batch_size

    def batch(self, step: int, resolution: int) -> Batch:
        """The batch of a step, counted from the start of the training."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        rows = _order(self.seed, epoch, len(self.data.train))[start : start + self.batch_size]
        images = self.data.train.take(rows[self.team.rank :: self.team.size])
        generator = torch_generator(self.seed, Stream.AUGMENTATION, step, self.team.rank)
        pixels = augment(images.images.to(self.device), generator, self.flip)
        inputs = self.data.normalization.inputs(pixels, resolution)
        return Batch(inputs.contiguous(memory_format=self.memory_format), images.labels.to(self.device))


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch_generator(seed, Stream.ORDER, epoch))
