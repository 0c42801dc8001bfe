"""The report of a training after each step, for callbacks that show or log it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from results.metric import METRICS, Metric


@dataclass(frozen=True)
class StepReport:
    """The progress of a training after a step.

    Attributes:
        step: Number of finished steps.
        steps: Number of steps of the whole training.
        passes: Finished forward-backward passes. Unlike steps, they take about equally long in all phases.
        all_passes: Forward-backward passes of the whole training.
        phase: Name of the phase.
        loss: Loss of the first subnet of the step.
        learning_rate: Learning rate of the step.
        images_per_s: Images of the step, over all workers, divided by the duration of the step.
        measured: How good a few subnets are on some validation images, by name of the subnet, in the unit of `metric`;
            empty except after some epochs.
        notes: Messages from the start of the step, a line each, such as how a leaf was split.
        metric: What is measured of subnets.
    """

    step: int
    steps: int
    passes: int
    all_passes: int
    phase: str
    loss: float
    learning_rate: float
    images_per_s: float
    measured: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    metric: Metric = METRICS["accuracy"]


StepCallback = Callable[[StepReport], None]


def ignore_step(report: StepReport) -> None:
    """A callback that does nothing."""
