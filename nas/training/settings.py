"""What holds in all phases of a training, and what is known after each of its steps.

In: literal numbers. Out: frozen values. Knows no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(frozen=True)
class Report:
    """What is known after a step.

    Attributes:
        step: Finished steps.
        steps: Steps of the whole training.
        phase: Name of the phase.
        loss: Of the first subnet of the step.
        learning_rate: Of the step.
        images_per_s: Images of the step, over all workers, over its duration.
        accuracies: Percent of some validation images by name of the subnet; after some epochs, else empty.
    """

    step: int
    steps: int
    phase: str
    loss: float
    learning_rate: float
    images_per_s: float
    accuracies: Mapping[str, float] = field(default_factory=dict)


Watch = Callable[[Report], None]
