"""What holds in all phases of a training, and what is known after each of its steps.

In: literal numbers. Out: frozen values. Knows no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        label_smoothing: Of label losses.
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
            schedule: Its phases.
            images: For training.
            workers: Which share every batch.

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


@dataclass(frozen=True)
class Report:
    """What is known after a step.

    Attributes:
        step: Finished steps.
        steps: Steps of the whole training.
        passes: Finished forward-backward passes; unlike steps they take about equally long in all phases.
        all_passes: Those of the whole training.
        phase: Name of the phase.
        loss: Of the first subnet of the step.
        learning_rate: Of the step.
        images_per_s: Images of the step, over all workers, over its duration.
        accuracies: Percent of some validation images by name of the subnet; after some epochs, else empty.
        notes: What else was found before the step, a line each, such as how a leaf was split.
    """

    step: int
    steps: int
    passes: int
    all_passes: int
    phase: str
    loss: float
    learning_rate: float
    images_per_s: float
    accuracies: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Watch = Callable[[Report], None]
