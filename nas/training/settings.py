"""What holds in all phases of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nas.training.schedules.schedule import Schedule

OptimizerName = Literal["sgd", "scaled_adam"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class TrainingSettings:
    """What holds in all phases.

    Attributes:
        batch_size: Images per step, over all workers.
        weight_decay: L2 penalty on weights, not on normalisation and biases.
        label_smoothing: Probability that the labels' loss spreads evenly over all classes, in [0, 1).
        flip: Whether training images may be mirrored.
        optimizer: `sgd` with Nesterov momentum, or `scaled_adam`.
        precision: Of the arithmetic: `float32`, or `bfloat16` where torch deems it safe.
        channels_last: Whether images are stored channels last in memory; faster on most devices.
    """

    batch_size: int = 64
    weight_decay: float = 3e-5
    label_smoothing: float = 0.1
    flip: bool = False
    optimizer: OptimizerName = "sgd"
    precision: Precision = "float32"
    channels_last: bool = True

    def check(self, schedule: Schedule, images: int, workers: int) -> None:
        """Makes sure that a training can begin.

        Args:
            schedule: What it is to follow.
            images: How many there are to train on.
            workers: How many processes share every batch.

        Raises:
            ValueError: If the settings do not fit the schedule, the images or the workers.
        """
        if not 1 <= self.batch_size <= images:
            raise ValueError(f"batch_size must lie in [1, {images}], the training images; got {self.batch_size}")
        if self.batch_size % workers:
            fitting = [count for count in range(1, self.batch_size + 1) if self.batch_size % count == 0]
            nearest = [max(n for n in fitting if n < workers), *(n for n in fitting if n > workers)][:2]
            raise ValueError(
                f"batch_size {self.batch_size} must be divisible by the {workers} training workers; "
                f"use {' or '.join(str(count) for count in nearest)} workers, or another batch_size"
            )
        if self.optimizer == "scaled_adam" and any(phase.ramp for phase in schedule.phases):
            raise ValueError(
                "a ramp needs optimizer sgd, for scaled_adam does not mind the scale of a loss; take optimizer sgd, or "
                "a schedule without a ramp, such as sandwich"
            )
