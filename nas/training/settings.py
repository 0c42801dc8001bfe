"""The settings of a training that hold in all of its phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from nas.data.augmentation.augmentation import Augmentation, check_sequence
from nas.tasks.class_weights import ClassWeights
from nas.training.schedules.schedule import Schedule

if TYPE_CHECKING:
    from nas.tasks.task import Task

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
        flip: Whether training images are mirrored at random, besides shifted, where no augmentation is given.
        optimizer: `sgd` with Nesterov momentum, or `scaled_adam` (Yao et al., "Zipformer", ICLR 2024).
        precision: Number format of the arithmetic: `float32`, or `bfloat16` for the operations that `torch.autocast`
            runs in it.
        channels_last: Whether images and weights are stored channels last in memory, which is faster on most devices.
        class_weights: Weights of the classes in the loss by labels; None weighs all samples alike.
        augmentation: The augmentations of training images, in their order; None shifts them, and mirrors them if `flip`
            is set.

    Raises:
        ValueError: If `flip` is set beside an augmentation, or augmentations cannot follow each other.
    """

    batch_size: int = 64
    weight_decay: float = 3e-5
    label_smoothing: float = 0.1
    flip: bool = False
    optimizer: OptimizerName = "sgd"
    precision: Precision = "float32"
    channels_last: bool = True
    class_weights: ClassWeights | None = None
    augmentation: tuple[Augmentation, ...] | None = None

    def __post_init__(self) -> None:
        if self.augmentation is None:
            return
        if self.flip:
            raise ValueError("flip belongs to the default augmentation; leave it out, or list flip in augmentation")
        check_sequence(self.augmentation)

    def described(self) -> dict[str, Any]:
        """The settings for fingerprints, without those that are not given, of which there were fewer before."""
        described = {name: value for name, value in asdict(self).items() if value is not None}
        if self.augmentation is not None:
            described["augmentation"] = [[one.name, asdict(one)] for one in self.augmentation]
        return described

    def check(self, schedule: Schedule, images: int, workers: int) -> None:
        """Checks that a training with these settings can begin.

        Args:
            schedule: The schedule of the training.
            images: Number of training images.
            workers: Number of processes that share every batch.

        Raises:
            ValueError: If a batch is larger than the training images or not divisible by the workers, or the optimiser
                is `scaled_adam` and a phase has a ramp, or a worker has no two images to mix.
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
        mixing = [one.name for one in self.augmentation or () if one.mixes]
        if mixing and self.batch_size // workers < 2:
            raise ValueError(
                f"augmentation {mixing[0]} mixes the images that a worker reads in a step, and there is only one; take "
                "a larger batch_size or fewer workers"
            )
        if self.optimizer == "scaled_adam" and any(phase.ramp for phase in schedule.phases):
            raise ValueError(
                "a ramp needs optimizer sgd, as the steps of scaled_adam do not depend on the scale of a loss; take "
                "optimizer sgd, or a schedule without a ramp, such as sandwich"
            )

    def check_inputs(self, shape: Sequence[int], task: Task) -> None:
        """Checks that the augmentation suits the training samples.

        Args:
            shape: Shape of an input; that of images is (channels, height, width).
            task: What the labels mean.

        Raises:
            ValueError: If it does not.
        """
        names = [one.name for one in self.augmentation or ()] + ["flip"] * self.flip
        if names and len(shape) != 3:
            raise ValueError(
                f"augmentation {names[0]} is for images, and the inputs are none, but of shape {tuple(shape)}; leave "
                "it out"
            )
        for one in self.augmentation or ():
            one.check(shape[0], task)
