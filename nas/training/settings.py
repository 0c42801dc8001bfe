"""The settings of a training that hold in all of its phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nas.tasks.class_weights import ClassWeights
from nas.training.schedules.schedule import Schedule

OptimizerName = Literal["sgd", "scaled_adam"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a training that hold in all of its phases.

    Attributes:
        batch_size: Images per step, over all workers.
        weight_decay: L2 penalty on weights, not on normalisation and biases.
        label_smoothing: Share of the target distribution that is spread evenly over all classes, in [0, 1). It holds
            for the loss by labels of tasks of which that has a meaning, not for that by a teacher.
        flip: Whether training images are mirrored at random.
        optimizer: `sgd` with Nesterov momentum, or `scaled_adam` (Yao et al., "Zipformer", ICLR 2024).
        precision: Number format of the arithmetic: `float32`, or `bfloat16` for the operations that `torch.autocast`
            runs in it.
        channels_last: Whether images and weights are stored channels last in memory, which is faster on most devices.
        class_weights: Weights of the classes in the loss by labels; None weighs all samples alike.
    """

    batch_size: int = 64
    weight_decay: float = 3e-5
    label_smoothing: float = 0.1
    flip: bool = False
    optimizer: OptimizerName = "sgd"
    precision: Precision = "float32"
    channels_last: bool = True
    class_weights: ClassWeights | None = None

    def check(self, schedule: Schedule, images: int, workers: int) -> None:
        """Checks that a training with these settings can begin.

        Args:
            schedule: The schedule of the training.
            images: Number of training images.
            workers: Number of processes that share every batch.

        Raises:
            ValueError: If a batch is larger than the training images or not divisible by the workers, or the optimiser
                is `scaled_adam` and a phase has a ramp.
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
                "a ramp needs optimizer sgd, as the steps of scaled_adam do not depend on the scale of a loss; take "
                "optimizer sgd, or a schedule without a ramp, such as sandwich"
            )
