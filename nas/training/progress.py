"""What is known after each step of a training, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StepReport:
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


StepCallback = Callable[[StepReport], None]


def ignore_step(report: StepReport) -> None:
    """A callback for those who do not watch."""
